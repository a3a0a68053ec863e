package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/ledger"
	ledgerdb "github.com/curfewhq/curfew/ledger/sqlite"
)

// restoring is what `curfew restore` is told.
type restoring struct {
	how        string
	data, node string
	from       string // of copy and new-key: the other deployment's data
	fromNode   string
	deployment string // the new one's name
}

// restore is the lawful way back to an older ledger of the same deployment, or on
// to another deployment: a copy, or the successor of one whose node is lost.
func restore(ctx context.Context, args []string) error {
	var o restoring
	f := flag.NewFlagSet("curfew restore", flag.ContinueOnError)
	f.StringVar(&o.how, "how", "", "take-over: the same deployment goes on from an older ledger, put back in --data; its newer ledger is lost\n"+
		"copy: another deployment begins with the people and the rules of the one in --from, for example to try things out\n"+
		"new-key: another deployment begins after the one in --from, whose node folder is lost for good")
	f.StringVar(&o.data, "data", "curfew-data", "folder of the ledger; of a copy: a new one")
	f.StringVar(&o.node, "node", "curfew-node", "folder of this node; of a copy: a new one")
	f.StringVar(&o.from, "from", "", "of copy and new-key: the other deployment's data folder, or a backup of it; it is only read")
	f.StringVar(&o.fromNode, "from-node", "", "of copy: the other deployment's node folder; it is only read")
	f.StringVar(&o.deployment, "deployment", "", "of copy and new-key: the new deployment's name, lower-case letters and digits; part of every account's name")
	if err := f.Parse(args); err != nil {
		return curfew.Wrap(curfew.Invalid, err, "curfew restore")
	}
	switch o.how {
	case "take-over":
		return takeOver(ctx, o.data, o.node)
	case "copy", "new-key":
		return begin(ctx, o)
	}
	return curfew.Errorf(curfew.Invalid, "say which it is: nothing was changed").
		WithFix("the same deployment, and the newer ledger is lost for good: curfew restore --how take-over; another deployment: --how copy; " +
			"the node's folder is lost for good: --how new-key; otherwise put the newer file back")
}

// takeOver appends an event to the older ledger that names what is lost, and ends
// everything that is live.
func takeOver(ctx context.Context, data, folder string) error {
	node, err := ledger.OpenNode(folder)
	if err != nil {
		return err
	}
	l, err := ledgerdb.Open(data, node.Signer())
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }()
	have, seen := l.Head(), node.Newest()
	if have.Size == 0 {
		return curfew.Errorf(curfew.Invalid, "the ledger in %s is empty; there is nothing to restore", data)
	}
	if seen.Size > 0 && ledger.Check(ctx, l, seen) == nil {
		return curfew.Errorf(curfew.Conflict, "the ledger in %s is the one that this node knows; there is nothing to restore", data).WithFix("curfew up")
	}
	fmt.Fprintf(os.Stderr, "The ledger in %s has %d events, up to %s.\nThis node has seen %d, up to %s.\n", data, have.Size,
		have.Time.Format("2006-01-02 15:04:05 MST"), seen.Size, seen.Time.Format("2006-01-02 15:04:05 MST"))
	for _, name := range []string{historyFile, historyFile + "-wal", historyFile + "-shm"} { // it is ahead, and built again
		if err := os.Remove(filepath.Join(data, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return curfew.Wrap(curfew.Unavailable, err, "remove the history")
		}
	}
	return appendRestore(ctx, l, node, seen)
}

func appendRestore(ctx context.Context, l *ledgerdb.Ledger, node *ledger.Node, seen ledger.Head) error {
	from := l.Head().Size + 1
	err := decideAlone(ctx, l, access.Restore{LedgerRestored: curfew.LedgerRestored{LostFrom: from, LostTo: seen.Size, Head: seen.Note, How: curfew.TakeOver}})
	if err == nil {
		err = node.Restart(l.Head())
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "Taken over. Every grant has ended, every sign-in is void. Start the gateway; then two administrators sign in and say: curfew doctor --confirm-restore")
	return nil
}
