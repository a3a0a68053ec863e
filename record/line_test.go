package record

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"
)

func asJSON(t testing.TB, it *Item) []byte {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(it); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestALineIsWhatTheJSONPackageWrites(t *testing.T) {
	at := time.Date(2026, 11, 24, 12, 0, 0, 120, time.UTC)
	for _, it := range []Item{
		{},
		{At: at, Kind: Statement, Ref: 1, Text: "SELECT '<é>' \"a\\b\"\n\t\r\b\f\x00\x1f\u2028\u2029\x7f"},
		{At: at.Local(), Kind: Outcome, Ref: 1 << 63, Tag: "UPDATE 38", Rows: -1, Bytes: 7, Took: time.Second, Error: "bad \xff\xfe end\xe2", Code: "42P01"},
		{At: at, Kind: Statement, Values: []Value{{}, {Text: "x"}, {Null: true}, {Text: "00ff", Binary: true, Cut: 9}, {Cut: 1}}},
		{At: at, Kind: Result, Ref: 2, Columns: []string{"id", "a\"b"}, Table: [][]Value{{{Text: "1"}, {Null: true}}, {}, {{}}}, Left: 7},
		{At: at, Kind: Result, Ref: 2, Values: []Value{{}}, Table: [][]Value{{}}, Tag: "x"},
	} {
		if got, want := AppendLine(nil, &it), asJSON(t, &it); !bytes.Equal(got, want) {
			t.Errorf("\n%s\n%s", got, want)
		}
		readBack(t, AppendLine(nil, &it))
	}
}

// readBack: an item that was read is written, read and written as the same line,
// whatever it was before. Evidence rests on it.
func readBack(t *testing.T, line []byte) {
	t.Helper()
	for range 2 {
		var it Item
		if err := json.Unmarshal(line, &it); err != nil {
			t.Fatal(err)
		}
		again := AppendLine(nil, &it)
		if !bytes.Equal(again, line) && !bytes.Contains(line, []byte(`\ufffd`)) {
			t.Errorf("read and written again:\n%s\n%s", line, again)
		}
		line = again
	}
}

func FuzzLine(f *testing.F) {
	f.Add("SELECT 1", "\xff\u2028", "x", true, int64(3))
	f.Fuzz(func(t *testing.T, text, value, fault string, null bool, n int64) {
		it := Item{At: time.Unix(n&0xffffffff, 5).UTC(), Kind: Kind(fault), Ref: uint64(n), Text: text, Error: fault, Rows: n, Values: []Value{{Text: value, Null: null, Cut: int(n)}, {Null: null}}, Columns: []string{text, value}, Table: [][]Value{{{Text: value}}, {}}, Left: n}
		if got, want := AppendLine(nil, &it), asJSON(t, &it); !bytes.Equal(got, want) {
			t.Errorf("\n%s\n%s", got, want)
		}
		readBack(t, AppendLine(nil, &it))
	})
}
