package judge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shop is what the tests' target holds.
func shop() Catalog {
	return Catalog{
		Database: "shop",
		Tables: []Table{
			{"shop", "orders", []string{"id", "cust", "status", "note", "total"}},
			{"shop", "customers", []string{"id", "name", "card"}},
			{"shop", "refunds", []string{"id", "status", "note"}},
			{"shop", "salaries", []string{"who", "amount"}},
			{"shop", "names", []string{"id", "name"}},
			{"hr", "people", []string{"id", "name"}},
			{"mysql", "user", []string{"User", "Host"}},
			{"information_schema", "TABLES", []string{"TABLE_SCHEMA", "TABLE_NAME"}},
			{"information_schema", "COLUMNS", []string{"TABLE_SCHEMA", "TABLE_NAME", "COLUMN_NAME"}},
			{"information_schema", "PROCESSLIST", []string{"ID", "USER", "INFO"}},
		},
		Routines: []string{"renew", "secretly", "lower"},
	}
}

func may() Permission {
	return Permission{
		Allow: []Rule{
			{Read, "shop", "orders", nil},
			{Read, "shop", "customers", []string{"id", "name"}},
			{Read, "shop", "refunds", nil},
			{Read, "shop", "names", nil},
			{Insert, "shop", "orders", []string{"id", "cust", "note"}},
			{Insert, "shop", "refunds", nil},
			{Update, "shop", "orders", []string{"status", "note"}},
			{Update, "shop", "refunds", nil},
			{Delete, "shop", "refunds", nil},
			{Call, "shop", "renew", nil},
		},
		Never: []Rule{{Update, "shop", "refunds", []string{"ID"}}},
	}
}

// aCase is a line of testdata/cases: what is said of a text, then the text.
type aCase struct{ where, heading, want, text string }

func cases(t testing.TB) (out []aCase) {
	t.Helper()
	files, err := filepath.Glob("testdata/cases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no cases", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		heading := ""
		for i, line := range strings.Split(strings.TrimRight(string(content), "\n"), "\n") {
			if h, ok := strings.CutPrefix(line, "# "); ok {
				heading = h
				continue
			}
			word, text, _ := strings.Cut(line, " ")
			text = strings.NewReplacer(`\n`, "\n", `\r`, "\r", `\0`, "\x00", `\xA0`, "\u00a0").Replace(text)
			out = append(out, aCase{fmt.Sprintf("%s:%d", file, i+1), heading, word, text})
		}
	}
	return out
}

func TestCases(t *testing.T) {
	count := map[string]int{}
	for _, c := range cases(t) {
		count[c.want]++
		t.Run(c.heading, func(t *testing.T) {
			no := New(may(), shop()).Judge(c.text)
			switch got := "statement." + c.want; {
			case no == nil && c.want != "ok":
				t.Errorf("%s: allowed, want %s:\n%s", c.where, got, c.text)
			case no != nil && no.Rule != got:
				t.Errorf("%s: %s (%s), want %s:\n%s", c.where, no.Rule, no.What, c.want, c.text)
			case no != nil && (no.What == "" || no.Fix == ""):
				t.Errorf("%s: a refusal that does not say what to do: %+v", c.where, no)
			}
		})
	}
	t.Log(count)
}

// On a target that takes aliases which differ in case alone for the same, an inner one hides an outer one.
func TestAliasesThatDifferInCaseAlone(t *testing.T) {
	c := shop()
	c.Tables = append(c.Tables, Table{"shop", "cards", []string{"id", "name", "card"}})
	p := may()
	p.Allow = append(p.Allow, Rule{Read, "shop", "cards", nil})
	j := New(p, c)
	if no := j.Judge("SELECT (SELECT C.card FROM customers c LIMIT 1) FROM cards C"); no == nil || no.Rule != RuleColumn {
		t.Errorf("%v", no)
	}
	if no := j.Judge("SELECT (SELECT C.card FROM customers d LIMIT 1) FROM cards C"); no != nil {
		t.Errorf("%v", no)
	}
	if no := j.Judge("SELECT (SELECT c.card FROM cards C LIMIT 1) FROM customers c"); no == nil {
		t.Error("the outer one is read where case counts")
	}
}
