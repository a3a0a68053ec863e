package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/ledger"
	ledgerdb "github.com/curfewhq/curfew/ledger/sqlite"
	"github.com/curfewhq/curfew/shelf"
	shelfdb "github.com/curfewhq/curfew/shelf/sqlite"
)

// begin founds a deployment after another one. Of that one it only reads: the
// ledger, verified whole, and of a copy the people's names.
func begin(ctx context.Context, o restoring) (err error) {
	if o.from == "" || (o.how == "copy") != (o.fromNode != "") {
		return curfew.Errorf(curfew.Invalid, "a copy names the other deployment's two folders, new-key only its data").
			WithFix("curfew restore --how copy --from DATA --from-node NODE --data NEW --node NEW --deployment NAME")
	}
	if err := checkDeployment(o.deployment); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(o.data, "ledger.db")); err == nil {
		return curfew.Errorf(curfew.Conflict, "the folder %s has a ledger already; another deployment begins in a new one", o.data)
	}
	var from *ledger.Node
	if o.fromNode != "" {
		if from, err = ledger.OpenNode(o.fromNode); err != nil {
			return err
		}
	}
	old, report, err := readOther(ctx, o.from, from)
	if err != nil {
		return err
	}
	if report.Deployment == o.deployment {
		return curfew.Errorf(curfew.Invalid, "the deployment in %s is called %s too: one would take the other's accounts for its own", o.from, o.deployment).
			WithFix("give it another name with --deployment")
	}
	node, err := ledger.CreateNode(o.node, o.deployment)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.data, 0o700); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "make the folder %s", o.data)
	}
	defer func() {
		if err != nil {
			err = curfew.Wrap(curfew.CodeOf(err), err, "begin the deployment %s", o.deployment).WithFix("remove the folders %s and %s, which are not complete, and try again", o.data, o.node)
		}
	}()
	b := access.Begin{LedgerRestored: curfew.LedgerRestored{LostFrom: 0, Head: []byte(report.Head), How: curfew.NewKey}, Config: curfew.Config{Settings: old.Config.Settings}}
	if from != nil {
		b.How, b.Config = curfew.Copy, old.Config
		if b.People, err = carry(ctx, o, from, node, old); err != nil {
			return err
		}
		b.Config.Groups, b.Config.Managers = known(old, b.People)
	}
	if err := found(ctx, o.data, node, b); err != nil {
		return err
	}
	sayBegun(o, old, report, b)
	return nil
}

// readOther verifies the other deployment's ledger and folds it. Where its node is
// lost, the key that the ledger names itself has to do.
func readOther(ctx context.Context, folder string, node *ledger.Node) (*access.State, ledger.Report, error) {
	store, err := ledgerdb.OpenStore(folder)
	if err != nil {
		return nil, ledger.Report{}, err
	}
	defer func() { _ = store.Close() }()
	st, laws := access.NewState(), access.NewLaws()
	checks := ledger.Checks{Law: func(e curfew.Event) error { return errors.Join(laws.Check(e), st.Fold(e)) }, Head: laws.Head}
	if node != nil {
		checks.Genesis = node.Signer().Public()
	}
	report, err := ledger.Verify(ctx, ledger.Live(store), checks)
	if err == nil && !report.OK {
		err = curfew.Errorf(curfew.Corrupt, "the ledger in %s is not what was signed: %s", folder, report.Problem).
			WithFix("take the data from a backup from before that")
	}
	return st, report, err
}

// carry seals what is known of the people under keys of the new node.
func carry(ctx context.Context, o restoring, from, to *ledger.Node, old *access.State) ([]curfew.PrincipalAdded, error) {
	before, err := shelfdb.Open(filepath.Join(o.from, "shelf.db"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = before.Close() }()
	after, err := shelfdb.Open(filepath.Join(o.data, "shelf.db"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = after.Close() }()
	source := identity.New(identity.Parts{Shelf: shelf.New(before, from.Secret().Derive("shelf")), Ring: from.Secret().Derive("identity")})
	target := identity.New(identity.Parts{Shelf: shelf.New(after, to.Secret().Derive("shelf")), Ring: to.Secret().Derive("identity")})
	var people []curfew.PrincipalAdded
	for _, p := range old.People {
		b, ok, err := target.Carry(ctx, source, p)
		if err != nil {
			return nil, err
		}
		if ok {
			people = append(people, b)
		}
	}
	slices.SortFunc(people, func(a, b curfew.PrincipalAdded) int { return cmp.Compare(a.Principal, b.Principal) })
	return people, nil
}

// known are the groups and managers without those who are not carried.
func known(old *access.State, people []curfew.PrincipalAdded) (map[curfew.GroupName][]curfew.Principal, map[curfew.Principal]curfew.Principal) {
	is := func(p curfew.Principal) bool {
		return slices.ContainsFunc(people, func(b curfew.PrincipalAdded) bool { return b.Principal == p })
	}
	groups, managers := map[curfew.GroupName][]curfew.Principal{}, map[curfew.Principal]curfew.Principal{}
	for g, members := range old.Config.Groups {
		if members = slices.DeleteFunc(slices.Clone(members), func(p curfew.Principal) bool { return !is(p) }); len(members) > 0 {
			groups[g] = members
		}
	}
	for p, m := range old.Config.Managers {
		if is(p) && is(m) {
			managers[p] = m
		}
	}
	return groups, managers
}

// found writes the new ledger's first events.
func found(ctx context.Context, data string, node *ledger.Node, b access.Begin) error {
	l, err := ledgerdb.Open(data, node.Signer())
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	if err := ledger.Begin(ctx, l, node.Signer(), time.Now()); err != nil {
		return err
	}
	if err := decideAlone(ctx, l, b); err != nil {
		return err
	}
	return node.Remember(l.Head(), true)
}

// decideAlone has one command decided where no gateway runs.
func decideAlone(ctx context.Context, l ledger.Ledger, c access.Command) error {
	s, err := access.Open(ctx, access.Parts{Ledger: l})
	if err != nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(run) }()
	_, err = s.Do(ctx, c)
	stop()
	return errors.Join(err, <-done)
}

func sayBegun(o restoring, old *access.State, report ledger.Report, b access.Begin) {
	fmt.Fprintf(os.Stderr, "The deployment %s begins in %s and %s, after the %d events of %s, up to %s. %s is as it was.\n", o.deployment, o.data, o.node,
		report.Events, report.Deployment, report.Last.Format("2006-01-02 15:04:05 MST"), o.from)
	if b.How == curfew.Copy {
		fmt.Fprintf(os.Stderr, "It has %d people, the groups, roles and policies. Nobody is signed in, and it has no resources, grants, accounts or recordings of %s:\n"+
			"it reaches no target before an administrator adds each resource, with its login, and it never touches accounts of %s.\n", len(b.People), report.Deployment, report.Deployment)
	} else {
		fmt.Fprintf(os.Stderr, "What %s sealed is lost with its node: names, passphrases, target logins, recordings. Its ledger stays evidence; keep it.\n", report.Deployment)
		sayLeft(old)
	}
	fmt.Fprintf(os.Stderr, "Next: curfew up --data %s --node %s; then apply the configuration, with the resources that are meant.\n", o.data, o.node)
}

// sayLeft names the accounts that a lost deployment may have left: nobody removes them any more.
func sayLeft(old *access.State) {
	var left []*access.Lease
	for _, l := range old.Leases {
		left = append(left, l)
	}
	slices.SortFunc(left, func(a, b *access.Lease) int { return cmp.Compare(a.Lease, b.Lease) })
	for _, l := range left {
		fmt.Fprintf(os.Stderr, "Remove by hand: the account %s on %s at %s\n", l.Account, l.Resource, l.Target.Address)
	}
}
