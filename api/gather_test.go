package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
)

// batches are what a watch that gathers was sent.
func batches(t *testing.T, text string) (all []client.Batch, ended bool) {
	t.Helper()
	for event := range strings.SplitSeq(text, "\n\n") {
		kind, data, _ := strings.Cut(event, "data: ")
		switch {
		case strings.Contains(kind, "event: batch"):
			var b client.Batch
			must(t, json.Unmarshal([]byte(data), &b))
			all = append(all, b)
		case strings.Contains(kind, "event: end"):
			ended = true
		}
	}
	return all, ended
}

// waits waits for a stream's end.
func (r stream) waits(t *testing.T) string {
	t.Helper()
	select {
	case <-r.over:
	case <-time.After(15 * time.Second):
		t.Error("it does not end")
	}
	return r.stop()
}

// A page that watches is told of every statement and shown the newest screen, in colours,
// and nothing of what a program printed in between.
func TestAWatchGathers(t *testing.T) {
	o := newOffice(t)
	id, w := o.said("alice", true)
	r := o.stream("alice", "/api/v1/sessions/"+string(id)+"/watch?gather=true")
	must(t, w.Write(record.Item{Kind: record.Statement, Ref: 1, Text: "shell", Tag: "20x3"}))
	for i := range 1000 {
		must(t, w.Write(record.Item{Kind: record.Output, Ref: 1, Text: fmt.Sprintf("\x1b[31mred\x1b[0m %d\r\n", i)}))
	}
	must(t, w.Write(record.Item{Kind: record.Statement, Ref: 2, Text: "SELECT 2"}))
	must(t, w.Close(record.Item{Kind: record.Closed}))
	text := r.waits(t)
	all, ended := batches(t, text)
	var kinds []string
	var last *client.Screen
	for _, b := range all {
		for i, it := range b.Items {
			kinds = append(kinds, fmt.Sprintf("%d %s", b.Numbers[i], it.Kind))
		}
		if b.Screen != nil {
			last = b.Screen
		}
	}
	if got := strings.Join(kinds, ", "); got != "1 statement, 1002 statement, 1003 closed" {
		t.Errorf("it is told of %s", got)
	}
	if !ended || last == nil || len(last.Lines) != 2 || last.Lines[1] != "red 999" || last.Runs[1][0] != (client.Run{Text: "red", Ink: 2}) {
		t.Errorf("ended %v, the screen is %+v", ended, last)
	}
	if len(text) > 100_000 {
		t.Errorf("it is sent %d bytes", len(text))
	}
	// Taken up again behind an item, it is told of the rest.
	again, _ := batches(t, o.call("alice", "GET", "/api/v1/sessions/"+string(id)+"/watch?gather=true&after=1002", "").text)
	var more []int
	for _, b := range again {
		more = append(more, b.Numbers...)
	}
	if fmt.Sprint(more) != "[1003]" {
		t.Errorf("after 1002: %v", more)
	}
	// Who may see shapes gets those, and no screen.
	for _, who := range []string{"tom", "root"} {
		text := o.call(who, "GET", "/api/v1/sessions/"+string(id)+"/watch?gather=true", "").text
		if all, ended := batches(t, text); !ended || len(all) == 0 || strings.Contains(text, "red") || strings.Contains(text, "SELECT 2") || strings.Contains(text, "screen") {
			t.Errorf("%s is shown %s", who, text)
		}
	}
	if text := o.call("mallory", "GET", "/api/v1/sessions/"+string(id)+"/watch?gather=true", ""); text.status != 404 {
		t.Errorf("a stranger: %+v", text)
	}
}

// What comes faster than anybody reads is left out and counted, the newest stays; what had
// been said before the watch began is sent whole.
func TestAWatchLeavesOutWhatNobodyReads(t *testing.T) {
	g := gathering{screens: following(mostScreens), show: item, readable: true}
	now := time.Now()
	for i := range 3 * batchItems {
		g.take(record.Item{At: now, Kind: record.Statement, Ref: uint64(i), Text: "SELECT 1"}, i+1)
	}
	if n := len(g.batch.Items); n != batchItems || g.batch.Left != 2*batchItems || g.batch.Numbers[n-1] != 3*batchItems || g.batch.Numbers[0] != 2*batchItems+1 {
		t.Errorf("%d items are sent, %d left out", n, g.batch.Left)
	}
	g = gathering{screens: following(mostScreens), show: item}
	for i := range 10 {
		g.take(record.Item{At: now, Kind: record.Statement, Text: strings.Repeat("x", batchBytes/3)}, i+1)
	}
	if n := len(g.batch.Items); n != 2 || g.bytes > batchBytes {
		t.Errorf("%d large ones are kept", n)
	}
	g.take(record.Item{At: now, Kind: record.Statement, Text: strings.Repeat("x", 2*batchBytes)}, 11)
	if n := len(g.batch.Items); n != 1 {
		t.Errorf("beside one that is too large %d are kept", n)
	}

	o := newOffice(t)
	id, w := o.said("alice", true)
	for i := range 2*batchItems + 10 {
		must(t, w.Write(record.Item{At: time.Now().Add(-time.Hour), Kind: record.Statement, Ref: uint64(i + 1), Text: "SELECT 'past'"}))
	}
	must(t, w.Close(record.Item{Kind: record.Closed}))
	all, _ := batches(t, o.call("alice", "GET", "/api/v1/sessions/"+string(id)+"/watch?gather=true", "").text)
	n, left := 0, 0
	for _, b := range all {
		n, left = n+len(b.Items), left+b.Left
	}
	if n != 2*batchItems+11 || left != 0 {
		t.Errorf("of the past %d are sent, %d left out", n, left)
	}
}

// A watch is written down once, however many streams a page takes for it; that somebody
// else watches, or reads it whole, is written down too.
func TestAWatchIsOneEvent(t *testing.T) {
	o := newOffice(t)
	id, w := o.said("alice", true, "SELECT 1")
	must(t, w.Close(record.Item{Kind: record.Closed}))
	count := func() int { return len(o.events(curfew.KindRecordingWatched)) }
	before := count()
	for range 3 {
		o.call("alice", "GET", "/api/v1/sessions/"+string(id)+"/watch?gather=true", "")
		o.call("alice", "GET", "/api/v1/sessions/"+string(id)+"/screen", "")
		o.call("alice", "GET", "/api/v1/peek?session="+string(id), "")
	}
	if n := count() - before; n != 1 {
		t.Errorf("one watch is %d events", n)
	}
	o.call("tom", "GET", "/api/v1/sessions/"+string(id)+"/watch", "")
	o.call("alice", "GET", "/api/v1/sessions/"+string(id)+"/transcript", "")
	o.call("alice", "GET", "/api/v1/sessions/"+string(id)+"/transcript", "")
	if n := count() - before; n != 4 {
		t.Errorf("they are %d events", n)
	}
	o.server.streamsMu.Lock()
	for _, w := range o.server.watched {
		if w.open != 0 {
			t.Errorf("%d streams are said to be open", w.open)
		}
		w.closed = w.closed.Add(-sameWatch - time.Second)
	}
	o.server.streamsMu.Unlock()
	o.call("alice", "GET", "/api/v1/sessions/"+string(id)+"/watch", "")
	if n := count() - before; n != 5 {
		t.Errorf("a later watch: %d events", n)
	}
}

// What a session came to while it is looked at: statements for all who may see it, rows
// only for those who may see what was said.
func TestAPeekAddsUp(t *testing.T) {
	o := newOffice(t)
	id, w := o.said("alice", true)
	for i, tag := range []string{"SELECT 5", "UPDATE 3", "DELETE 2"} {
		must(t, w.Write(record.Item{Kind: record.Statement, Ref: uint64(i + 1), Text: tag}))
		must(t, w.Write(record.Item{Kind: record.Outcome, Ref: uint64(i + 1), Tag: tag, Rows: []int64{5, 3, 2}[i]}))
	}
	must(t, w.Write(record.Item{Kind: record.Refused, Text: "DROP TABLE x"}))
	must(t, w.Close(record.Item{Kind: record.Closed}))
	for who, want := range map[string][4]int64{"alice": {3, 1, 5, 5}, "tom": {3, 1, 0, 0}} {
		var last client.Peek
		for line := range strings.Lines(o.call(who, "GET", "/api/v1/peek?session="+string(id), "").text) {
			if data, ok := strings.CutPrefix(line, "data: "); ok && strings.Contains(data, "session") {
				must(t, json.Unmarshal([]byte(data), &last))
			}
		}
		if got := [4]int64{last.Statements, last.Refused, last.Read, last.Changed}; got != want {
			t.Errorf("%s is told %v, want %v", who, got, want)
		}
	}
}

// One session is searched alone, by who may see it, and further than among others.
func TestOneSessionIsSearched(t *testing.T) {
	o := newOffice(t)
	var all []string
	for range 20 {
		all = append(all, "SELECT 'needle'")
	}
	id, w := o.said("alice", true, all...)
	must(t, w.Close(record.Item{Kind: record.Closed}))
	h, r := o.search("alice", "needle", "&session="+string(id))
	if len(h.Items) != 1 || len(h.Items[0].Items) != 20 || h.Looked != 1 {
		t.Errorf("%d %s", r.status, r.text)
	}
	for who, status := range map[string]int{"mallory": 404, "tom": 200} {
		if h, r := o.search(who, "needle", "&session="+string(id)); r.status != status || len(h.Items) != 0 {
			t.Errorf("%s: %d %s", who, r.status, r.text)
		}
	}
}
