package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
)

// However many terminals a session opens, the one that prints is the one that is shown.
func TestNoTerminalHidesBehindOthers(t *testing.T) {
	one := func(i uint64, kind record.Kind, text, tag string) client.Item {
		return client.Item{Kind: string(kind), Ref: i, Text: text, Tag: tag}
	}
	for _, ends := range []bool{true, false} {
		x := following(mostScreens)
		for i := uint64(1); i <= 60; i++ {
			x.take(one(i, record.Statement, "shell", "20x2"))
			x.take(one(i, record.Output, fmt.Sprint("number ", i), ""))
			if f, ok := x.frame(); !ok || f.Ref != i || !strings.Contains(fmt.Sprint(f.Lines), fmt.Sprint("number ", i)) {
				t.Fatalf("ends %v: of terminal %d is shown %+v", ends, i, f)
			}
			if ends {
				x.take(one(i, record.Outcome, "", ""))
			}
		}
		if len(x.all) > mostScreens {
			t.Errorf("%d screens are kept", len(x.all))
		}
		if ends {
			continue
		}
		x.take(one(1, record.Output, "again", "")) // it was forgotten meanwhile
		if f, ok := x.frame(); !ok || f.Ref != 1 || f.Columns != 20 || !strings.Contains(fmt.Sprint(f.Lines), "again") || len(x.all) > mostScreens {
			t.Errorf("the first prints again: %+v", f)
		}
	}
}

// What a program prints is not kept for who looks at its screen, and the same session
// is not followed twice in one stream.
func TestLookingKeepsNothingButTheScreen(t *testing.T) {
	x := following(peekScreens)
	for i := range uint64(9) {
		x.take(client.Item{Kind: string(record.Statement), Ref: i, Text: "shell", Tag: "80x24"})
		x.take(client.Item{Kind: string(record.Output), Ref: i, Text: strings.Repeat("line\r\n", 1000) + "\x1b[?1049hfull\x1b[?1049l"})
	}
	if len(x.all) != peekScreens {
		t.Errorf("%d screens are kept", len(x.all))
	}
	for _, sc := range x.all {
		if done, left := sc.Done(), sc.Left(); len(done)+len(left) > 0 {
			t.Errorf("%d lines are kept that nobody is shown", len(done)+len(left))
		}
	}
	o := newOffice(t)
	id, w := o.said("alice", true, "SELECT 1")
	before := len(o.events(curfew.KindRecordingWatched))
	must(t, w.Close(record.Item{Kind: record.Closed}))
	o.call("alice", "GET", "/api/v1/peek?session="+strings.Repeat(string(id)+"&session=", 20)+string(id), "")
	if n := len(o.events(curfew.KindRecordingWatched)) - before; n != 1 {
		t.Errorf("one session is opened %d times", n)
	}
}
