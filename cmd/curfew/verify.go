package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/cli"
	historydb "github.com/curfewhq/curfew/history/sqlite"
	"github.com/curfewhq/curfew/ledger"
	ledgerdb "github.com/curfewhq/curfew/ledger/sqlite"
)

func genesisKey(e curfew.Event) ed25519.PublicKey {
	var b curfew.DeploymentCreated
	if json.Unmarshal(e.Body, &b) != nil {
		return nil
	}
	return b.Key
}

// verify checks an exported ledger, or the one of a data folder and the history
// beside it, offline.
func verify(ctx context.Context, args cli.VerifyArgs) error {
	src, done, err := source(args)
	if err != nil {
		return err
	}
	defer done()
	checks := access.Checks()
	checks.EveryHead = args.EveryHead
	if args.GenesisKey != "" {
		key, err := base64.StdEncoding.DecodeString(args.GenesisKey)
		if err != nil || len(key) != ed25519.PublicKeySize {
			return curfew.Errorf(curfew.Invalid, "this is no genesis key").WithFix("it is printed by: curfew doctor")
		}
		checks.Genesis = key
	}
	for _, path := range args.Witnesses {
		text, err := os.ReadFile(path)
		if err != nil {
			return curfew.Wrap(curfew.NotFound, err, "read the witness file")
		}
		checks.Witnessed = append(checks.Witnessed, ledger.SplitWitness(text)...)
	}
	rep, err := ledger.Verify(ctx, src, checks)
	if err != nil {
		return err
	}
	if err := report(args.Stdout, rep, checks.Genesis != nil, args.JSON); err != nil {
		return err
	}
	return checkHistory(ctx, src, filepath.Join(args.File, historyFile))
}

// checkHistory compares the history beside a ledger that is whole with it.
func checkHistory(ctx context.Context, src ledger.Source, path string) error {
	store, ok := src.(*ledgerdb.Store)
	if !ok {
		return nil
	}
	faults, err := historydb.Check(ctx, path, events(ctx, store))
	if err != nil || len(faults) == 0 {
		return err
	}
	return curfew.Errorf(curfew.Corrupt, "the lists beside it are not what the ledger says: %s", strings.Join(faults, "; ")).WithFix("stop the gateway and delete %s: it is built again", path)
}

// source is the file or the data folder that is named.
func source(args cli.VerifyArgs) (src ledger.Source, done func(), err error) {
	if args.File == "-" {
		src, err = ledger.ReadExport(args.Stdin)
		return src, func() {}, err
	}
	info, err := os.Stat(args.File)
	if err == nil && info.IsDir() {
		store, err := ledgerdb.OpenStore(args.File)
		if err != nil {
			return nil, nil, err
		}
		return store, func() { _ = store.Close() }, nil
	}
	f, err := os.Open(args.File)
	if err != nil {
		return nil, nil, curfew.Wrap(curfew.NotFound, err, "open the export").WithFix("name a file of: curfew ledger export, or the data folder of a gateway")
	}
	if src, err = ledger.ReadExport(f); err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return src, func() { _ = f.Close() }, nil
}

// events are a store's, without heads.
func events(ctx context.Context, store *ledgerdb.Store) iter.Seq2[curfew.Event, error] {
	return func(yield func(curfew.Event, error) bool) {
		for r, err := range store.Records(ctx) {
			if err == nil && r.Note != nil {
				continue
			}
			if !yield(r.Event, err) || err != nil {
				return
			}
		}
	}
}

func report(w io.Writer, rep ledger.Report, anchored, asJSON bool) error {
	if asJSON {
		if err := json.NewEncoder(w).Encode(struct {
			API  string `json:"api"`
			Kind string `json:"kind"`
			ledger.Report
		}{"curfew/v1", "verification", rep}); err != nil {
			return err
		}
	} else if rep.OK {
		fmt.Fprintf(w, "The ledger of %s is whole: %d events, %d signed heads, up to %s. Every law holds.\n", rep.Deployment, rep.Events, rep.Heads, rep.Last.Format("2006-01-02 15:04:05 MST"))
		for _, r := range rep.Restored {
			at := r.At.Format("2006-01-02 15:04:05 MST")
			switch {
			case r.How != curfew.TakeOver:
				fmt.Fprintf(w, "It began on %s after another deployment's ledger (%s); event %d holds that one's last head.\n", at, r.How, r.Position)
			case r.Heads > 0:
				fmt.Fprintf(w, "It was restored on %s: what had been written from event %d on is lost, and %d witnessed heads are over it. Ask who did that, and why.\n", at, r.Position, r.Heads)
			default:
				fmt.Fprintf(w, "It was restored on %s: what had been written from event %d on is lost. Ask who did that, and why.\n", at, r.Position)
			}
		}
		if !anchored {
			fmt.Fprintln(w, "It was checked against the key that it names itself. To be sure that it is the right one, give --genesis-key.")
		}
	}
	if rep.OK {
		return nil
	}
	return curfew.Errorf(curfew.Corrupt, "the ledger of %s is not what was signed: %s", rep.Deployment, rep.Problem)
}
