package api

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/record"
)

// goesOn writes into a recording until a stream that reads it is over, and returns
// how often it was shown that.
func goesOn(t *testing.T, r stream, w record.Writer) int {
	t.Helper()
	late := time.After(10 * time.Second)
	for n := uint64(0); ; n++ {
		must(t, w.Write(record.Item{Kind: record.Statement, Ref: 10 + n, Text: "SELECT 'later'"}))
		select {
		case <-r.over:
			return strings.Count(r.stop(), "event: item")
		case <-late:
			t.Fatal("it goes on being read")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// A browser's stream ends with its sign-in as a command line's does.
func TestABrowsersStreamEndsWithItsSignIn(t *testing.T) {
	for name, out := range map[string]func(*office) access.Command{
		"signed out": func(o *office) access.Command {
			in, err := o.id.Browser(t.Context(), o.cookie["root"])
			must(t, err)
			return access.WithdrawToken{SecretUnlisted: curfew.SecretUnlisted{ID: in.ID, By: o.who["root"]}}
		},
		"everywhere": func(o *office) access.Command {
			return access.SignOutEverywhere{Principal: o.who["root"], By: o.who["root"]}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t)
			o.by = "browser"
			id, w := o.said("alice", true, "SELECT 1")
			r := o.stream("root", "/api/v1/sessions/"+string(id)+"/watch")
			time.Sleep(200 * time.Millisecond)
			_, err := o.access.Do(t.Context(), out(o))
			must(t, err)
			goesOn(t, r, w)
		})
	}
}
