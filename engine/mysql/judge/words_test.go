package judge

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// Where a string, a comment or a name ends must be the same for both: what is left of a
// text is then the same too. Constants come back from the server as the judge reads them.
func TestWordsAreReadAsAServerReadsThem(t *testing.T) {
	s := restricted(t)
	pieces := []string{
		"'", "\"", "`", "\\", "''", "\"\"", "/*", "*/", "/**/", "/*!40000 ", "/*!50101 ", "-- ", "--", "#", "\n", "\r", "\t", " ", ",", ", ", "'a'", "\"b\"", "'it\\'s'", "'c\\\\'", "\"d'\"", "'e\"'", "1", "2.5", ".5", "1e3", "0x41", "x'41'",
		"b'1'", "AS x", "`y`", "+", "-", "(", ")", "_utf8mb4'f'", "_binary ", "@a", ";", "\u00e9", "'\u00e9'", "'\u597d\\'", "n'g'", "'%\\_'", "\\N", "NULL", "'\x5c0'", "'\\n'", "!", "/", "*", "'h' 'i'", "\u00a0", "-- x\n", "# x\n", "/* ' */",
	}
	r := rand.New(rand.NewPCG(seedOfTests, 7))
	same, refused, wrong := 0, 0, 0
	for range compared {
		text := "SELECT 'start'"
		for range 1 + r.IntN(6) {
			if r.IntN(3) > 0 {
				text += ", "
			}
			text += pieces[r.IntN(len(pieces))]
		}
		statements, err := parse(text)
		if err != nil || len(statements) == 0 {
			refused++
			continue
		}
		theirs, ok := s.values(t, text)
		if !ok {
			wrong++
			continue
		}
		ours := statements[0].(*ast.SelectStmt).Fields.Fields
		if len(ours) != len(theirs) {
			t.Errorf("%q: the judge reads %d fields, the server %d: %q", text, len(ours), len(theirs), theirs)
			continue
		}
		for i, f := range ours {
			if v, is := f.Expr.(ast.ValueExpr); is && !strings.ContainsAny(text, "0123456789") && v.GetString() != theirs[i] && theirs[i] != "NULL" {
				t.Errorf("%q: the judge reads %q, the server %q", text, v.GetString(), theirs[i])
			}
		}
		same++
	}
	t.Logf("%d alike, %d refused, %d that the server does not know", same, refused, wrong)
	if same < compared/20 {
		t.Error("hardly any text meant something")
	}
}

// values are those of the first row of a text's first result; false: it does not run.
func (s session) values(t *testing.T, text string) ([]string, bool) {
	t.Helper()
	rows, err := s.QueryContext(context.Background(), text)
	if err != nil {
		return nil, false
	}
	defer func() { _ = rows.Close() }()
	cols, err := rows.Columns()
	if err != nil || !rows.Next() {
		return nil, false
	}
	got := make([]sql.NullString, len(cols))
	into := make([]any, len(cols))
	for i := range got {
		into[i] = &got[i]
	}
	if err := rows.Scan(into...); err != nil {
		t.Fatal(text, err)
	}
	out := make([]string, len(cols))
	for i, g := range got {
		if out[i] = g.String; !g.Valid {
			out[i] = "NULL"
		}
	}
	return out, true
}

// What the scanner lets pass, and all it takes out, has no other length than it had.
func FuzzJudge(f *testing.F) {
	for _, c := range cases(f) {
		f.Add(c.text)
	}
	j := New(may(), shop())
	f.Fuzz(func(t *testing.T, text string) {
		if plain, err := read(text); err == nil && len(plain) != len(text) {
			t.Errorf("%q became %q", text, plain)
		}
		no := j.Judge(text)
		if _, err := FormsOf(text); err != nil && no == nil {
			t.Errorf("%q is allowed, and has no form: %v", text, err)
		}
		if no != nil && (!strings.HasPrefix(no.Rule, "statement.") || len(no.What) < 10 || len(no.What) > 400 || len(no.Fix) < 10 || strings.ContainsAny(no.What+no.Fix, "\x00\x1b\n")) {
			t.Errorf("%q: %+v", text, no)
		}
		if no == nil && strings.Contains(strings.ToLower(text), "load_file(") && !strings.ContainsAny(text, "'\"`#-/") {
			t.Errorf("%q is allowed", text)
		}
		if again := j.Judge(text); (again == nil) != (no == nil) {
			t.Errorf("%q: %v, then %v", text, no, again)
		}
	})
}

func TestTextsBeyondTheBounds(t *testing.T) {
	j := New(may(), shop())
	for name, text := range map[string]string{
		"long":       "SELECT '" + strings.Repeat("a", longest) + "'",
		"deep":       "SELECT " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000),
		"many words": "SELECT " + strings.Repeat("1,", most) + "1",
		"many texts": strings.Repeat("SELECT 1;", several+1),
		"bytes":      "SELECT '\xff'",
	} {
		if no := j.Judge(text); no == nil || no.Rule != RuleUnknown {
			t.Errorf("%s: %v", name, no)
		}
	}
	for name, text := range map[string]string{
		"minus": "SELECT " + strings.Repeat("- ", most/2) + "1",
		"not":   "SELECT " + strings.Repeat("NOT ", most/2) + "1",
		"or":    "SELECT 1" + strings.Repeat(" OR 1", most/4),
		"case":  "SELECT " + strings.Repeat("CASE WHEN 1 THEN ", 5000) + "1" + strings.Repeat(" END", 5000),
	} {
		if no := j.Judge(text); no != nil && no.Rule != RuleUnknown { // whatever it says, it lives
			t.Errorf("%s: %v", name, no)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	j := New(may(), shop())
	for b.Loop() {
		if no := j.Judge("SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.cust WHERE o.id = 17"); no != nil {
			b.Fatal(no)
		}
	}
}
