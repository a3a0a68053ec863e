package api

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/history"
	"github.com/curfewhq/curfew/record"
)

// TestWhatWasReadOnAScreenIsFound: words as somebody read them, at the second, whether
// the session lives or is over, and by nobody who may see shapes alone.
func TestWhatWasReadOnAScreenIsFound(t *testing.T) {
	o := newOffice(t)
	began := time.Now().Truncate(time.Millisecond)
	id, w := o.said("alice", true)
	write := func(seconds int, it record.Item) {
		it.At = began.Add(time.Duration(seconds) * time.Second)
		must(t, w.Write(it))
	}
	write(0, record.Item{Kind: record.Statement, Ref: 1, Text: "shell", Tag: "80x24"})
	for i, letter := range strings.Split("tail canarylog", "") {
		write(1+i, record.Item{Kind: record.Output, Ref: 1, Text: letter})
	}
	write(20, record.Item{Kind: record.Output, Ref: 1, Text: "\r\n\x1b[31mfai"})
	write(21, record.Item{Kind: record.Output, Ref: 1, Text: "lure\x1b[0m of \x1b[1mpump\x1b[0m 7\r\n"})
	write(22, record.Item{Kind: record.Output, Ref: 1, Text: "\x1b[9;9Hone\x1b[9;5Hten \x1b[H"})
	check := func(when string) {
		t.Helper()
		for _, c := range []struct {
			as, words string
			at        int // seconds; -1: not found
			text      string
		}{
			{"alice", "failure pump", 21, "failure of pump 7"}, {"alice", "tail canarylog", 20, "tail canarylog"}, {"alice", "tenone nothing", -1, ""}, {"alice", "ten", 22, "ten one"},
			{"alice", "31mfai", 20, ""}, // what was sent is there too
			{"alice", "canaryl", -1, ""}, {"alice", "pump tail", -1, ""}, {"tom", "failure", -1, ""}, {"root", "canarylog", -1, ""}, {"tom", "shell", 0, "shell"}, {"dana", "failure", -1, ""},
		} {
			h, r := o.search(c.as, c.words, "")
			if c.at < 0 {
				if len(h.Items) != 0 {
					t.Errorf("%s: %s finds %q: %+v", when, c.as, c.words, h.Items)
				}
				continue
			}
			if len(h.Items) != 1 || len(h.Items[0].Items) == 0 || h.Items[0].Session.ID != string(id) {
				t.Errorf("%s: %s does not find %q: %d %s", when, c.as, c.words, r.status, r.text)
				continue
			}
			if hit := h.Items[0].Items[0]; !hit.At.Equal(began.Add(time.Duration(c.at)*time.Second)) || c.text != "" && !strings.Contains(hit.Text, c.text) {
				t.Errorf("%s: %q is found at %s as %q", when, c.words, hit.At.Sub(began), hit.Text)
			}
		}
	}
	check("while it goes on")
	must(t, w.Close(record.Item{Kind: record.Closed}))
	_, err := o.access.Do(context.Background(), access.EndSession{SessionEnded: curfew.SessionEnded{Session: id, Cause: curfew.CauseClosed}})
	must(t, err)
	history.Reach(context.Background(), o.server.parts.History, o.size(), 10*time.Second)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) { // its list is made once it is whole
		if _, err := o.record.Words(id); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	check("once it is over")
}
