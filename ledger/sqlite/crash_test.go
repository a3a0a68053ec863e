package sqlite

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// TestAppendUntilKilled is not a test of its own: it is the process that
// TestKillLosesNothingThatWasAnswered kills. It says each position that is durable.
func TestAppendUntilKilled(t *testing.T) {
	folder, seed := os.Getenv("CURFEW_CRASH_FOLDER"), os.Getenv("CURFEW_CRASH_SEED")
	if folder == "" {
		return // only a child has these
	}
	raw, err := hex.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	s := ledger.NewSigner("crash", ed25519.NewKeyFromSeed(raw))
	l, err := Open(folder, s)
	if err != nil {
		fmt.Println("refused", err)
		return
	}
	for i := 0; i < 1_000_000; i++ {
		drafts := make([]ledger.Draft, 1+i%5)
		for k := range drafts {
			drafts[k] = ledger.Draft{Kind: curfew.KindErrandRun, Body: []byte(`{"what":"` + strings.Repeat("x", 100) + `"}`)}
		}
		if err := l.Turn(context.Background(), func(turn ledger.Turn) error {
			_, h, err := turn.Append(time.Now(), drafts)
			if err == nil {
				fmt.Println("durable", h.Size)
			}
			return err
		}); err != nil {
			fmt.Println("failed", err)
			return
		}
	}
}

// TestKillLosesNothingThatWasAnswered kills a writing process at random points.
func TestKillLosesNothingThatWasAnswered(t *testing.T) {
	kills := 60
	if testing.Short() {
		kills = 10
	}
	folder := t.TempDir()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := ledger.NewSigner("crash", key)
	l, err := Open(folder, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := ledger.Begin(context.Background(), l, s, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for n := range kills {
		answered := killOne(t, folder, hex.EncodeToString(key.Seed()))
		l, err := Open(folder, s)
		if err != nil {
			t.Fatalf("after kill %d: %v", n+1, err)
		}
		if have := l.Head().Size; have < answered {
			t.Fatalf("kill %d: event %d was answered, and the ledger holds %d", n+1, answered, have)
		}
		if n%20 == 19 {
			rep, err := ledger.Verify(context.Background(), l, ledger.Checks{Genesis: s.Public(), EveryHead: true})
			if err != nil || !rep.OK {
				t.Fatalf("after kill %d: %+v %v", n+1, rep, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills", kills)
}

// killOne starts a writer, kills it, and returns the newest position it had answered.
func killOne(t *testing.T, folder, seed string) (answered uint64) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestAppendUntilKilled$")
	cmd.Env = append(os.Environ(), "CURFEW_CRASH_FOLDER="+folder, "CURFEW_CRASH_SEED="+seed)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopAt := rand.IntN(40) + 1
	lines := bufio.NewScanner(out)
	for i := 0; lines.Scan(); i++ {
		if i == stopAt {
			_ = cmd.Process.Kill()
		}
		word, num, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "durable":
			if answered, err = strconv.ParseUint(num, 10, 64); err != nil {
				t.Fatal(err)
			}
		case "refused", "failed":
			t.Fatal(lines.Text())
		}
	}
	_ = cmd.Wait()
	return answered
}
