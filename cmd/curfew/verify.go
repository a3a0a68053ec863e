package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/cli"
	"github.com/curfewhq/curfew/ledger"
)

func genesisKey(e curfew.Event) ed25519.PublicKey {
	var b curfew.DeploymentCreated
	if json.Unmarshal(e.Body, &b) != nil {
		return nil
	}
	return b.Key
}

// verify checks an exported ledger, offline.
func verify(ctx context.Context, args cli.VerifyArgs) error {
	in := args.Stdin
	if args.File != "-" {
		f, err := os.Open(args.File)
		if err != nil {
			return curfew.Wrap(curfew.NotFound, err, "open the export")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	export, err := ledger.ReadExport(in)
	if err != nil {
		return err
	}
	checks := ledger.Checks{EveryHead: args.EveryHead, Law: access.NewLaws().Check}
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
	rep, err := ledger.Verify(ctx, export, checks)
	if err != nil {
		return err
	}
	return report(args.Stdout, rep, checks.Genesis != nil, args.JSON)
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
