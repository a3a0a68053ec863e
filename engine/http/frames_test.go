package http

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

// frame is one of a client's, masked, with a short payload.
func frame(first byte, payload string) []byte {
	b := append([]byte{first, 0x80 | byte(len(payload)), 1, 2, 3, 4}, payload...)
	for i := range payload {
		b[6+i] ^= byte(i%4 + 1)
	}
	return b
}

func TestTheTextOfAWebSocketIsRead(t *testing.T) {
	var all []byte
	for _, f := range [][]byte{
		frame(0x81, "hello"), frame(0x89, "ping"), frame(0x01, "two "), frame(0x8a, "pong"), frame(0x80, "parts"), frame(0x02, "binary"), frame(0x80, "of it"), frame(0x81, ""), frame(0x88, "bye"),
	} {
		all = append(all, f...)
	}
	f := &frames{}
	if got := string(f.feed(all)); got != "hellotwo parts" || f.left != 0 || len(f.head) != 0 {
		t.Errorf("%q %+v", got, f)
	}
	long := append([]byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}, strings.Repeat("x", 1<<16)...)
	if got := f.feed(append(long, 0x81, 1, 'y')); len(got) != messageLimit+1 || got[messageLimit] != 'y' {
		t.Errorf("%d bytes", len(got))
	}
	if got := f.feed([]byte{0x81, 126, 0, 3, 'a', 'b', 'c'}); string(got) != "abc" {
		t.Errorf("%q", got)
	}
}

// What is said through a WebSocket is on the record where the policy has it recorded, and
// only there.
func TestWhatGoesThroughAWebSocketIsRecordedByPolicy(t *testing.T) {
	for mode, want := range map[curfew.RecordMode]int{curfew.RecordLive: 0, curfew.RecordResults: 2} {
		a := newApp(t)
		w := worldOf(t, "httpframes", a, withBrowsers, func(o *enginetest.Options) { o.Record = mode })
		g := w.Grant("look", time.Hour)
		x := newTab(t, w, g.Principal)
		x.enter()
		said, ended := x.talk(frame(0x81, "canary-said"))
		if !strings.Contains(said, "canary-said") {
			t.Fatalf("%s: the echo says %q", mode, said)
		}
		w.Revoke(g.ID)
		<-ended
		t.Logf("%s ended: %+v", mode, w.Ended(g.ID))
		n, over := 0, false
		var all []string
		for end := time.Now().Add(8 * time.Second); !over && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			n, all = 0, nil
			w.Each(w.Sessions(g.ID)[0], func(it record.Item) { // its last word may still be on its way to the disk
				over = over || it.Kind == record.Closed
				for _, row := range it.Table {
					all = append(all, it.Text+": "+row[0].Text)
					if strings.HasSuffix(it.Text, " says") && row[0].Text == "canary-said" {
						n++
					}
				}
			})
		}
		if n != want || !over {
			t.Errorf("%s: %q, over: %v", mode, all, over)
		}
	}
}
