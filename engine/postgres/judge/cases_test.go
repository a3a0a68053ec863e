package judge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// aCase is a line of testdata/cases: what is said of a text, then the text.
type aCase struct{ where, heading, want, text string }

// wants are the words that lines begin with. "ok17" is for texts that only PostgreSQL 17 knows.
func wants(word string) (rule string, ok bool) {
	switch word {
	case "ok", "ok17":
		return "", true
	case "unknown", "class", "table", "column", "function", "parameter", "name":
		return "statement." + word, true
	}
	return "", false
}

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
			where := fmt.Sprintf("%s:%d", file, i+1)
			if _, ok := wants(word); !ok || heading == "" {
				t.Fatalf("%s is no case", where)
			}
			out = append(out, aCase{where, heading, word, strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(text)})
		}
	}
	return out
}

func TestCases(t *testing.T) {
	count := map[string]int{}
	for _, c := range cases(t) {
		count[c.want]++
		want, _ := wants(c.want)
		t.Run(c.heading, func(t *testing.T) {
			v := shopJudge(t).Judge(c.text)
			switch {
			case v.Refused == nil && want != "":
				t.Errorf("%s: allowed, want %s:\n%s", c.where, want, c.text)
			case v.Refused != nil && v.Refused.Rule != want:
				t.Errorf("%s: %s (%s), want %q:\n%s", c.where, v.Refused.Rule, v.Refused.What, want, c.text)
			case v.Refused != nil && (v.Refused.What == "" || v.Refused.Fix == ""):
				t.Errorf("%s: a refusal that does not say what to do: %+v", c.where, v.Refused)
			}
		})
	}
	t.Log(count)
}
