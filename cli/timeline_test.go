package cli

import (
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
)

func TestTimelineTellsWhatBecameOfEachStatement(t *testing.T) {
	began := time.Date(2026, 6, 2, 14, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	l := timeline{open: map[uint64]int{}}
	for _, it := range []client.Item{
		{Kind: "opened", At: began},
		{Kind: "statement", Ref: 1, At: at(100), Text: "\n  SELECT 1;\nSELECT 2"},
		{Kind: "statement", Ref: 2, At: at(110), Text: "UPDATE x"}, // sent before the first is answered
		{Kind: "outcome", Ref: 1, At: at(150), TookMS: 50, Tag: "SELECT 1", Rows: 1, Bytes: 10},
		{Kind: "outcome", Ref: 1, At: at(190), TookMS: 90, Tag: "SELECT 1", Rows: 1, Bytes: 10},
		{Kind: "outcome", Ref: 2, At: at(200), TookMS: 85, Error: "no", Code: "42501"},
		{Kind: "outcome", Ref: 77, At: at(210)}, // of nothing
		{Kind: "refused", Ref: 3, At: at(300), Text: "DROP", Code: "statement.class"},
		{Kind: "statement", Ref: 4, At: at(500), Text: "SELECT pg_sleep(60)"},
		{Kind: "closed", At: at(1000)},
	} {
		l.add(it)
	}
	l.end()
	want := []struct {
		text, became, bar string
		took              float64
		rows              int64
	}{
		{"SELECT 1;", "SELECT 1", "··██····················", 90, 2},
		{"UPDATE x", "error 42501", "··██····················", 90, 0},
		{"DROP", "refused statement.class", "·······×················", 0, 0},
		{"SELECT pg_sleep(60)", "no answer: cut off", "············▒▒▒▒▒▒▒▒▒▒▒▒", 500, 0},
	}
	if len(l.spans) != len(want) || !l.over {
		t.Fatalf("%+v", l.spans)
	}
	for i, w := range want {
		s := l.spans[i]
		if s.Text != w.text || became(s, l.over) != w.became || s.TookMS != w.took || s.Rows != w.rows || bar(s, msOf(l.offsets.last)) != w.bar {
			t.Errorf("%+v is %q, %s", s, became(s, l.over), bar(s, msOf(l.offsets.last)))
		}
	}
	if text := bar(stretch{AtMS: 5, TookMS: 1e12}, 0); len([]rune(text)) != bars {
		t.Errorf("%q", text)
	}
}
