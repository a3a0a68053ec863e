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

// restore takes over an older ledger of the same deployment: it appends an event
// that names what is lost and ends everything that is live.
func restore(ctx context.Context, args []string) error {
	var data, folder, how string
	f := flag.NewFlagSet("curfew restore", flag.ContinueOnError)
	f.StringVar(&data, "data", "curfew-data", "folder of the ledger, the older one, put back")
	f.StringVar(&folder, "node", "curfew-node", "folder of this node")
	f.StringVar(&how, "how", "", "take-over: this is the same deployment, whose newer ledger is lost")
	if err := f.Parse(args); err != nil {
		return curfew.Wrap(curfew.Invalid, err, "curfew restore")
	}
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
	switch how {
	case "take-over":
	case "copy":
		return curfew.Errorf(curfew.Invalid, "restoring into a copy under another name is not offered yet").WithFix("if it is the same deployment: curfew restore --how take-over")
	default:
		return curfew.Errorf(curfew.Invalid, "say which it is: nothing was changed").
			WithFix("the same deployment, and the newer ledger is lost for good: curfew restore --how take-over; otherwise put the newer file back")
	}
	for _, name := range []string{historyFile, historyFile + "-wal", historyFile + "-shm"} { // it is ahead, and built again
		if err := os.Remove(filepath.Join(data, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return curfew.Wrap(curfew.Unavailable, err, "remove the history")
		}
	}
	return takeOver(ctx, l, node, seen)
}

func takeOver(ctx context.Context, l *ledgerdb.Ledger, node *ledger.Node, seen ledger.Head) error {
	from := l.Head().Size + 1
	s, err := access.Open(ctx, access.Parts{Ledger: l})
	if err != nil {
		return err
	}
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- s.Run(run) }()
	_, err = s.Do(ctx, access.Restore{LedgerRestored: curfew.LedgerRestored{LostFrom: from, LostTo: seen.Size, Head: seen.Note, How: "take over"}})
	stop()
	if runErr := <-done; err == nil {
		err = runErr
	}
	if err == nil {
		err = node.Restart(l.Head())
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "Taken over. Every grant has ended, every sign-in is void. Start the gateway; then two administrators sign in and say: curfew doctor --confirm-restore")
	return nil
}
