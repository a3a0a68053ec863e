package judge

import (
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// What reading and judging one text may cost at most, on a slow and busy machine.
const (
	fuzzedText = 4 << 10
	timeBound  = 20 * time.Second
)

// memoryBound is what may be allocated for a text of so many bytes, over all.
func memoryBound(n int) uint64 { return 32<<20 + 8<<10*uint64(n) }

// FuzzJudge looks for texts that break what is promised of all texts.
func FuzzJudge(f *testing.F) {
	for i, c := range cases(f) { // beside testdata/fuzz
		if i%20 == 0 {
			f.Add(c.text, c.heading, uint32(len(c.where)))
		}
	}
	book := shopJudge(f).book
	want := digests(book.Judge().Judge("SELECT id FROM orders WHERE note = 'x' AND id = 1 AND cust IN (1, 2)"))
	f.Fuzz(func(t *testing.T, text, value string, number uint32) {
		if len(text) > fuzzedText {
			return
		}
		v := judgeBounded(t, text)
		sensible(t, text, v)

		again := &Rulebook{parser: &Parser{}, allowed: book.allowed, known: book.known}
		if v2 := again.Judge().Judge(text); !reflect.DeepEqual(v, v2) {
			t.Errorf("%q: %+v, then %+v", text, v, v2)
		}
		if around := again.Judge().Judge(" /* /* a */ */\n" + text + "\n-- b"); v.Refused == nil && !slices.Equal(digests(v), digests(around)) {
			t.Errorf("%q: a comment changes the digest", text)
		}
		if len(value) < 200 && !strings.ContainsRune(value, 0) && strings.ToValidUTF8(value, "") == value {
			constants := fmt.Sprintf("select id from\torders WHERE note = '%s' AND id = %d AND cust IN (%d, 3, 4)", strings.ReplaceAll(value, "'", "''"), number, number)
			if got := digests(again.Judge().Judge(constants)); !slices.Equal(got, want) {
				t.Errorf("%q: constants change the digest", constants)
			}
		}
	})
}

// judgeBounded judges in a new session and minds the cost.
func judgeBounded(t *testing.T, text string) Verdict {
	j := shopJudge(t)
	j.book.parser = &Parser{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	v := j.Judge(text)
	took := time.Since(start)
	runtime.ReadMemStats(&after)
	if took > timeBound {
		t.Errorf("%q took %v", text, took)
	}
	if cost := after.TotalAlloc - before.TotalAlloc; cost > memoryBound(len(text)) {
		t.Errorf("%q of %d bytes took %d bytes", text, len(text), cost)
	}
	return v
}

// sensible checks what any verdict must be.
func sensible(t *testing.T, text string, v Verdict) {
	t.Helper()
	if r := v.Refused; r != nil {
		if _, known := wants(strings.TrimPrefix(r.Rule, "statement.")); !known || len(r.What) < 10 || len(r.What) > 400 || len(r.Fix) < 10 {
			t.Errorf("%q: a refusal without rule or reason: %+v", text, r)
		}
		if i := strings.IndexFunc(r.What+r.Fix, unicode.IsControl); i >= 0 {
			t.Errorf("%q: a refusal that acts in a terminal: %q", text, r.What)
		}
	}
	end := 0
	for i, s := range v.Statements {
		if len(s.Digest) != 64 || s.Class == "" || s.Start < end || s.End < s.Start || s.End > len(text) {
			t.Errorf("%q: statement %d is %+v", text, i, s)
		}
		end = s.End
	}
}

func digests(v Verdict) (out []string) {
	for _, s := range v.Statements {
		out = append(out, s.Digest)
	}
	return out
}

func TestADigestIsOfTheFormAlone(t *testing.T) {
	same := [][]string{
		{"SELECT id FROM orders WHERE id = 1", "select  ID\nfrom ORDERS where id=2;", "SELECT/* a */id FROM orders--b\nWHERE id = 'x'", "SELECT \"id\" FROM orders WHERE id = '2'", "SELECT id FROM orders WHERE id = NULL"},
		{"INSERT INTO refunds VALUES (1, 2, 3)", "INSERT INTO refunds VALUES (1, 2, 3), (4, 5, 6)"},
		{"SELECT id FROM orders WHERE id = $1", "SELECT id FROM orders WHERE id = $2"},
		{"SELECT id FROM orders WHERE id IN (1)", "SELECT id FROM orders WHERE id IN (1, 2, 3)"},
		{"FETCH 1 FROM c", "FETCH 100 FROM c"},
		{"SELECT id FROM orders LIMIT 5", "SELECT id FROM orders LIMIT 50"},
	}
	seen := map[string]string{}
	for _, group := range same {
		for _, text := range group {
			v := shopJudge(t).Judge(text)
			got := digests(v)
			if len(got) != 1 {
				t.Fatalf("%s: %+v", text, v)
			}
			if first, ok := seen[got[0]]; ok && first != group[0] {
				t.Errorf("%s has the digest of %s", text, first)
			}
			if want := digests(shopJudge(t).Judge(group[0]))[0]; got[0] != want {
				t.Errorf("%s has another digest than %s", text, group[0])
			}
			seen[got[0]] = group[0]
		}
	}
	different := []string{
		"SELECT id FROM orders", "SELECT cust FROM orders", "SELECT id FROM ONLY orders", "SELECT id FROM refunds", "SELECT DISTINCT id FROM orders",
		"SELECT id FROM orders ORDER BY id", "SELECT id FROM orders ORDER BY id DESC", "SELECT id AS x FROM orders", "SELECT id FROM orders WHERE id < 1",
		"SELECT id FROM orders WHERE id > 1", "SELECT id FROM orders WHERE id = 1 OR id = 2", "SELECT id FROM orders WHERE id = 1 AND id = 2",
		"DELETE FROM refunds", "SELECT id FROM orders FOR UPDATE", "SELECT id FROM orders FOR SHARE", "SELECT a.id FROM orders a, orders b", "SELECT lower('a')", "SELECT upper('a')",
	}
	for _, text := range different {
		d := digests(shopJudge(t).Judge(text))[0]
		if other, ok := seen[d]; ok {
			t.Errorf("%s has the digest of %s", text, other)
		}
		seen[d] = text
	}
}
