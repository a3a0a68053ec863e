package judge

import (
	"sort"
	"strings"
	"testing"
)

// nest repeats the middle of three pieces.
type nest struct{ before, again, after string }

func (x nest) text(n int) string {
	text := x.before + strings.Repeat(x.again, n) + x.after
	if open := strings.Count(text, "(") - strings.Count(text, ")"); open > 0 {
		text += strings.Repeat(")", open)
	}
	return text
}

// nests are ways to make the parser go deeper with each repetition.
func nests() []nest {
	return []nest{
		{"SELECT ", "(", "1"}, {"SELECT ", "(SELECT ", "1"}, {"SELECT ", "ARRAY[(", "1"}, {"SELECT ", "lower(", "'a'"}, {"SELECT ", "NOT ", "true"}, {"SELECT ", "- ", "1"},
		{"SELECT 1", "+1", ""}, {"SELECT 1", "::int", ""}, {"SELECT 1", " NOTNULL", ""}, {"SELECT 1", " IS NULL", ""}, {"SELECT 'a'", " || 'a'", ""}, {"SELECT a", " COLLATE b", ""},
		{"SELECT a", " AT TIME ZONE b", ""}, {"SELECT a", " AT LOCAL", ""}, {"SELECT a", " IS JSON", ""}, {"SELECT a", " = ANY (a)", ""}, {"SELECT a", " IN (a)", ""}, {"SELECT a", "[1]", ""},
		{"SELECT 1", " UNION SELECT 1", ""}, {"SELECT 1", " INTERSECT TABLE a", ""}, {"SELECT 1 FROM a", " NATURAL JOIN a", ""}, {"SELECT 1 FROM a", " JOIN a", strings.Repeat(" ON true", 100)},
		{"SELECT ", "NOT a IS DISTINCT FROM ", "a"}, {"SELECT ", "NOT a BETWEEN 1 AND ", "a"}, {"SELECT a", " BETWEEN 1 AND 2 IS NULL", ""}, {"SELECT a", " NOT BETWEEN SYMMETRIC 1 AND 2 IS TRUE", ""},
		{"SELECT a", " + a.and", ""}, {"SELECT a", " + a . /* */ from", ""}, {"SELECT a", " + a.\"x\".where", ""}, {"SELECT a", " + values", ""}, {"SELECT a", " - e'x'", ""}, {"SELECT a", " - e'x''y\\''", ""},
		{"SELECT ", "CASE WHEN a.end THEN ", "a" + strings.Repeat(" END", 100)}, {"SELECT ", "CASE WHEN true THEN ", "a"}, {"SELECT ", "CASE a.case WHEN NOT a BETWEEN 1 AND ", "a"}, {"SELECT ", "CASE ", "a"},
		{"WITH a AS (", "WITH a AS (", "SELECT 1"}, {"SELECT * FROM ", "(SELECT * FROM ", "a"}, {"SELECT 1 WHERE ", "EXISTS (SELECT 1 WHERE ", "true"}, {"SELECT ", "json_object('a' : ", "1"},
	}
}

func TestWhatIsTooDeepIsRefusedBeforeItIsParsed(t *testing.T) {
	for _, x := range nests() {
		if err := weigh(x.text(600)); err == nil {
			t.Errorf("600 times %q in %q is not too deep", x.again, x.before)
		}
	}
}

// The deepest that is let through must leave the parser as it was, if slower: this file
// is the last for that reason.
func TestTheParserBearsWhatItIsGiven(t *testing.T) {
	const text = "SELECT id, name FROM customers WHERE id = 1 AND lower(name) = 'x'"
	want := grammarOf.read(text).statements[0].digest
	for _, x := range nests() {
		n := sort.Search(600, func(n int) bool { return weigh(x.text(n)) != nil }) - 1
		if n < 20 {
			t.Errorf("%d times %q in %q is too deep", n+1, x.again, x.before)
		}
		grammarOf.read(x.text(n))
		if got := grammarOf.read(text); got.err != nil || got.statements[0].digest != want {
			t.Fatalf("after %d times %q in %q: %v", n, x.again, x.before, got.err)
		}
	}
}

func TestOrdinaryTextsAreNotTooDeep(t *testing.T) {
	for _, text := range []string{
		"SELECT 1 WHERE a = 1" + strings.Repeat(" AND a BETWEEN 1 AND 2", 80), "SELECT 1 WHERE a = 1" + strings.Repeat(" OR a = 1 AND NOT b IS NULL", 1000),
		"INSERT INTO a VALUES " + strings.Repeat("(1, 'a', now()), ", 2000) + "(1, 'a', now())", "SELECT " + strings.Repeat("CASE WHEN a THEN b ELSE c END, ", 1000) + "1",
		strings.Repeat("SELECT a FROM b; ", 900), "SELECT 'a'" + strings.Repeat(" || 'a'", 90), "SELECT E'it''s', E'\\'', E'a''''b'", "SELECT a.b" + strings.Repeat(", a.b", 5000),
	} {
		if err := weigh(text); err != nil {
			t.Errorf("%.60s…: %v", text, err)
		}
	}
}
