package record

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

func words(text string) (out []string) {
	EachWord(text, func(w string) bool { out = append(out, w); return true })
	return out
}

func TestWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		"SELECT * FROM Orders":                "select|from|orders",
		"update refund_items set x=$1":        "update|refund_items|set|x|1",
		"card='4111-1111'":                    "card|4111|1111",
		"Ünïcode ΣΑΣ 数据":                      "ünïcode|σασ|数据",
		"\x00\xff a\xffb \u202e z":            "a|b|z",
		strings.Repeat("A", 100):              strings.Repeat("a", MaxWord),
		strings.Repeat("é", 100):              strings.Repeat("é", MaxWord/2),
		"x" + strings.Repeat("é", 100) + " y": "x" + strings.Repeat("é", MaxWord/2-1) + "|y",
	} {
		if got := strings.Join(words(text), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestQueries(t *testing.T) {
	it := Item{Kind: Statement, Text: "UPDATE refund_items SET note = $1", Values: []Value{{Text: "Zürich 4111"}}, Error: "denied", Code: "42501", Tag: "UPDATE 38",
		Columns: []string{"iban"}, Table: [][]Value{{{Text: "row one"}}, {{Text: "row two"}}}}
	for text, want := range map[string]bool{
		"refund_items": true, "REFUND_ITEMS update": true, "refund": false, "refund*": true, "zürich": true, "4111 update": true, "42501": true, "38": true,
		"denied": true, "iban": true, "two": true, "missing": false, "update missing": false, "zü* ref*": true, "note='4111'": true,
	} {
		q, err := ParseQuery(text)
		if err != nil || q.Matches(&it) != want {
			t.Errorf("%q: %v %v", text, q.Matches(&it), err)
		}
	}
	for _, bad := range []string{"", " ** ", "a*", "é*", strings.Repeat("w ", 3) + seq(17)} {
		if _, err := ParseQuery(bad); curfew.CodeOf(err) != curfew.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	two := Item{Text: "one"}
	if q, _ := ParseQuery("one two"); q.Matches(&two) {
		t.Error("half of it is enough")
	}
}

func seq(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "w%d ", i)
	}
	return b.String()
}

// What is in an item, the list never denies; and what is in its values only, it
// never tells those who may see shapes.
func TestAListDeniesNothingThatIsThere(t *testing.T) {
	p, err := NewPacker()
	if err != nil {
		t.Fatal(err)
	}
	key, head := seal.NewKey(), [32]byte{1}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.StringMatching(`[a-zäß0-9_]{1,6}`), 1, 20)
		shape, value := text.Draw(t, "shape"), text.Draw(t, "value")
		it := Item{Text: strings.Join(shape, " "), Values: []Value{{Text: strings.Join(value, ",")}}}
		shaped := Item{Text: it.Text}
		w := NewWords()
		w.Add(&it, &shaped)
		w, err := OpenWords(w.Seal("s_1", head, key, p), "s_1", head, key, p)
		if err != nil {
			t.Fatal(err)
		}
		ask := rapid.SampledFrom(slices.Concat(shape, value)).Draw(t, "asked")
		q, err := ParseQuery(ask)
		if err != nil {
			t.Skip()
		}
		if q.Matches(&it) && !w.May(q, false) {
			t.Fatalf("%q is there, and the list denies it", ask)
		}
		if w.May(q, true) != q.Matches(&shaped) {
			t.Fatalf("%q: the list of the shape says %v", ask, w.May(q, true))
		}
		if begin, err := ParseQuery(ask[:len(ask)/2] + "*"); err == nil && w.May(begin, true) != begin.Matches(&shaped) {
			t.Fatalf("%q*: the list of the shape says %v", ask[:len(ask)/2], w.May(begin, true))
		}
	})
}

func TestAListBelongsToOneRecording(t *testing.T) {
	p, err := NewPacker()
	if err != nil {
		t.Fatal(err)
	}
	key, head := seal.NewKey(), [32]byte{1}
	w := NewWords()
	w.Add(&Item{Text: "canary"}, nil)
	box := w.Seal("s_1", head, key, p)
	if strings.Contains(string(box), "canary") {
		t.Error("the list is not sealed")
	}
	for name, open := range map[string]func() (*Words, error){
		"another session":   func() (*Words, error) { return OpenWords(box, "s_2", head, key, p) },
		"another head":      func() (*Words, error) { return OpenWords(box, "s_1", [32]byte{2}, key, p) },
		"another key":       func() (*Words, error) { return OpenWords(box, "s_1", head, seal.NewKey(), p) },
		"a bit was flipped": func() (*Words, error) { b := slices.Clone(box); b[40] ^= 1; return OpenWords(b, "s_1", head, key, p) },
		"it was cut short":  func() (*Words, error) { return OpenWords(box[:len(box)-1], "s_1", head, key, p) },
		"it is empty":       func() (*Words, error) { return OpenWords(nil, "s_1", head, key, p) },
	} {
		if _, err := open(); curfew.CodeOf(err) != curfew.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAListThatIsFullDeniesNothing(t *testing.T) {
	p, err := NewPacker()
	if err != nil {
		t.Fatal(err)
	}
	key, head, w := seal.NewKey(), [32]byte{}, NewWords()
	var b strings.Builder
	for i := range MaxWords + 10 {
		fmt.Fprintf(&b, "w%d ", i)
	}
	w.Add(&Item{Text: b.String()}, nil)
	w, err = OpenWords(w.Seal("s_1", head, key, p), "s_1", head, key, p)
	if err != nil {
		t.Fatal(err)
	}
	q, _ := ParseQuery("nowhere")
	if !w.May(q, false) || !w.May(q, true) || len(w.words) != MaxWords {
		t.Error("a list that is not whole says that something is not there")
	}
}

func FuzzOpenWords(f *testing.F) {
	p, err := NewPacker()
	if err != nil {
		f.Fatal(err)
	}
	key, head := seal.Key{1}, [32]byte{}
	f.Add([]byte("words 2\n+a\n-b\n"))
	f.Add([]byte("words 2 and more\n"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		box := seal.NewRing(key).Seal(wordsAD("s_1", head), p.enc.EncodeAll(plain, nil))
		w, err := OpenWords(box, "s_1", head, key, p)
		if err == nil && len(w.words) > MaxWords {
			t.Fatal("more words than there may be")
		}
	})
}
