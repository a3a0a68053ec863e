package access

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
)

// Whatever is kept, struck and torn, the next run reads exactly what counts.
func TestAReserveGivesBackWhatIsNotStruck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "reserve")
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		r, err := OpenReserve(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.kept(); err != nil {
			t.Fatal(err)
		}
		var live []*acted
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			if len(live) > 0 && rapid.Bool().Draw(t, "strike") {
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				if err := r.strike(live[i].line); err != nil {
					t.Fatal(err)
				}
				live = append(live[:i], live[i+1:]...)
				continue
			}
			a := &acted{command: Revoke{Grant: curfew.GrantID(rapid.StringN(0, 20, 20).Draw(t, "grant")), By: ben, Why: curfew.Sealed("x\n")}, at: at, line: &line{}}
			if err := r.keep(a); err != nil {
				t.Fatal(err)
			}
			live = append(live, a)
		}
		if rapid.Bool().Draw(t, "torn") {
			if _, err := r.file.WriteAt([]byte(`{"at":"2026-11-24T12:00:0`), r.used); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := OpenReserve(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := again.kept()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(live) {
			t.Fatalf("%d lines count, %d were read", len(live), len(got))
		}
		for i, a := range got {
			if !reflect.DeepEqual(a.command, live[i].command) || !a.at.Equal(live[i].at) {
				t.Fatalf("line %d is %+v, was %+v", i, a.command, live[i].command)
			}
			if err := again.strike(a.line); err != nil {
				t.Fatal(err)
			}
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAFullReserveSaysSo(t *testing.T) {
	r, err := OpenReserve(filepath.Join(t.TempDir(), "reserve"))
	if err != nil {
		t.Fatal(err)
	}
	big := func() *acted {
		return &acted{command: Return{Grant: curfew.GrantID(strings.Repeat("g", 300<<10))}, line: &line{}}
	}
	first := big()
	for _, a := range []*acted{first, big(), big()} {
		if err := r.keep(a); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.keep(big()); err == nil || !strings.Contains(err.Error(), "3 commands wait") {
		t.Errorf("a fourth went in: %v", err)
	}
	early := big() // written to the ledger before the reserve's disk answered
	if err := r.strike(early.line); err != nil {
		t.Fatal(err)
	}
	if err := r.keep(early); err != nil || early.line.written {
		t.Errorf("what is in the ledger was kept: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
