package judge

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What may pass the judge by these words alone: the account of the tests has no right that the judge knows of otherwise.
func excused(text string) bool {
	low := strings.ToLower(text)
	return strings.Contains(low, "sleep") || strings.Contains(low, "select shop.renew") || strings.Contains(low, "xa ")
}

func TestTheCasesMeanTheSameToAServer(t *testing.T) {
	s := restricted(t)
	for _, c := range cases(t) {
		if excused(c.text) || strings.TrimSpace(c.text) == "" || strings.ContainsRune(c.text, 0) {
			continue
		}
		if c.want != "ok" && c.want != "table" && c.want != "column" {
			continue // what has no right anywhere may do anything to the session
		}
		switch got, said := s.answer(t, c.text); {
		case c.want == "ok" && denied(got):
			t.Errorf("%s is allowed, and the server refuses it (%d %s): %s", c.where, got, said, c.text)
		case c.want == "ok" && got == errSyntax && !strings.Contains(c.text, "->") && !strings.Contains(c.text, "?") && !strings.HasPrefix(c.text, "TABLE"):
			t.Errorf("%s is no SQL of the server's: %s", c.where, c.text)
		}
		s.pin(t)
	}
}

// pieces are what texts are made of at random: what is allowed, what is not, and what joins them.
func pieces(t *testing.T) (words []string, texts []string) {
	t.Helper()
	for _, c := range cases(t) {
		if excused(c.text) || c.want == "class" || c.want == "parameter" || strings.Contains(c.text, "@") || len(c.text) < 8 {
			continue
		}
		texts = append(texts, c.text)
		words = append(words, strings.Fields(c.text)...)
	}
	words = append(words, "salaries", "amount", "card", "(SELECT amount FROM salaries LIMIT 1)", "UNION", "SELECT card FROM customers", ",", "(", ")", "/*", "*/", "'", "\"", "`", "--", "#", ";",
		"/*!40000", "/*!50701", "AS", "JOIN", ".", "\\", "x'41'", "_utf8'a'", "FOR", "PARTITION", "USE", "LATERAL", "ROW", "VALUE", "DEFAULT", "INTERVAL", "ALL", "ANY", "OFFSET", "WITH", "RECURSIVE", "OVER", "1.", ".5", "1e", "\n", "\r", "\u00a0", "é")
	return words, texts
}

// named is a text with other names of tables and columns in some places.
func named(r *rand.Rand, text string) string {
	tables := []string{"orders", "customers", "refunds", "names", "salaries", "hr.people", "shop.customers", "shop.salaries"}
	cols := []string{"id", "name", "card", "note", "status", "total", "who", "amount", "cust"}
	parts := regexp.MustCompile(`[a-z_.]+|[^a-z_.]+`).FindAllString(text, -1)
	for i, p := range parts {
		switch {
		case r.IntN(3) > 0:
		case slices.Contains(tables, p):
			parts[i] = tables[r.IntN(len(tables))]
		case slices.Contains(cols, p):
			parts[i] = cols[r.IntN(len(cols))]
		}
	}
	return strings.Join(parts, "")
}

// wrapped is a query within another.
func wrapped(r *rand.Rand, text, other string) string {
	around := []string{
		"SELECT * FROM (%) x", "SELECT 1 FROM orders WHERE EXISTS (%)", "SELECT id FROM orders WHERE id IN (%)", "SELECT (%)", "(%) UNION ALL (SELECT id FROM orders)", "WITH q AS (%) SELECT * FROM q",
		"SELECT id FROM orders ORDER BY (%)", "SELECT x.id, y.id FROM orders x JOIN (%) y ON x.id = y.id", "INSERT INTO refunds (id) %", "UPDATE refunds SET note = (%) WHERE id = 7", "DELETE FROM refunds WHERE note = (%)",
		"REPLACE INTO refunds (id, note) %", "SET @x = (%)", "SELECT count(*) FROM orders GROUP BY id HAVING id > (%)", "EXPLAIN %", "SELECT CASE WHEN EXISTS (%) THEN 1 ELSE (SELECT 2) END", "(%) EXCEPT (!)", "SELECT 1; %", "(%) UNION (!)",
		"INSERT INTO refunds (id, note) VALUES (9, (%)) ON DUPLICATE KEY UPDATE note = (!)", "WITH RECURSIVE q (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM q WHERE a < 3) SELECT a, (%) FROM q", "SELECT id FROM customers WHERE (SELECT 1 FROM (%) z LIMIT 1) = 1", "CALL renew((%))", "DO (%)",
	}
	return strings.NewReplacer("%", text, "!", other).Replace(around[r.IntN(len(around))])
}

// text is one at random.
func text(r *rand.Rand, words, texts, queries []string) string {
	query := func() string { return named(r, queries[r.IntN(len(queries))]) }
	switch r.IntN(5) {
	case 0:
		return mutated(r, words, texts)
	case 1:
		return wrapped(r, wrapped(r, query(), query()), query())
	case 2:
		return named(r, texts[r.IntN(len(texts))])
	}
	return wrapped(r, query(), query())
}

// mutated is a text of the cases, changed at a few places.
func mutated(r *rand.Rand, words, texts []string) string {
	parts := strings.Fields(texts[r.IntN(len(texts))])
	for range 1 + r.IntN(3) {
		i := r.IntN(len(parts))
		switch w := words[r.IntN(len(words))]; r.IntN(5) {
		case 0:
			parts[i] = w
		case 1:
			parts = append(parts[:i:i], append([]string{w}, parts[i:]...)...)
		case 2:
			if len(parts) > 2 {
				parts = append(parts[:i:i], parts[i+1:]...)
			}
		case 3:
			parts[i] += w
		default: // the end of another text
			other := strings.Fields(texts[r.IntN(len(texts))])
			parts = append(parts[:i:i], other[r.IntN(len(other)):]...)
			if len(parts) == 0 {
				parts = other
			}
		}
	}
	return strings.Join(parts, " ")
}

func TestTheJudgeAllowsNothingThatAServerRefusesForRights(t *testing.T) {
	s := restricted(t)
	words, texts := pieces(t)
	r := rand.New(rand.NewPCG(seedOfTests, 1))
	j := New(may(), shop())
	var queries []string
	for _, q := range texts {
		if strings.HasPrefix(q, "SELECT") && !strings.Contains(q, ";") && !strings.Contains(q, "UNION") && !strings.ContainsAny(q, "#-") {
			queries = append(queries, q)
		}
	}
	var ran, noRight, strict, wrong, both int
	for range compared {
		text := text(r, words, texts, queries)
		no := j.Judge(text)
		low := strings.ToLower(text)
		if no != nil && (no.Rule == RuleClass || no.Rule == RuleParameter || no.Rule == RuleDatabase || no.Rule == RuleUnknown && strings.Contains(low, "set ") || strings.ContainsRune(text, 0)) || excused(text) {
			continue // it may leave the session another
		}
		switch got, said := s.answer(t, text); {
		case denied(got) && no == nil:
			t.Errorf("allowed, and the server refuses it (%d %s):\n%s", got, said, text)
		case denied(got):
			noRight++
		case got == 0 && no != nil:
			strict++
		case got == 0:
			ran++
		case no == nil:
			wrong++
		default:
			both++
		}
		if strings.Contains(low, "set ") || strings.Contains(low, "use ") {
			s.pin(t)
		}
	}
	t.Logf("%d ran, allowed; %d lack a right, refused; %d refused although they ran; %d allowed and wrong; %d refused and wrong", ran, noRight, strict, wrong, both)
	if ran < compared/50 || noRight < compared/50 {
		t.Error("hardly any text meant something to the server")
	}
}
