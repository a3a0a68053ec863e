package judge

import (
	gocontext "context"
	"strings"
	"testing"
)

// refusedForRights is what a server says to whom a right is missing.
const refusedForRights = "42501"

// texts are what the judge and a server are asked about.
func texts(t *testing.T, n int) (out []string) {
	g := newGen(seedOfTests + 2) // the cases have a test of their own
	all := append(forbidden(), permitted()...)
	for i := range n {
		if i%3 == 0 {
			out = append(out, g.wrap(all[g.IntN(len(all))], 3))
		} else {
			out = append(out, g.query(1+g.IntN(3)))
		}
	}
	return out
}

func TestTheJudgeAllowsNothingThatAServerRefusesForRights(t *testing.T) {
	restricted := dial(t, postgres(t).URL("fixed", "throw-away", "shop"))
	var ran, noRight, wrong, tooStrict, both int
	for i, text := range texts(t, compared) {
		v, code := shopJudge(t).Judge(text), restricted.answer(t, text)
		switch {
		case code == refusedForRights && v.Refused == nil:
			t.Errorf("text %d is allowed, and the server refuses it:\n%s", i, text)
		case code == refusedForRights:
			noRight++
		case code == "" && v.Refused != nil:
			tooStrict++
		case code == "":
			ran++
		case v.Refused == nil:
			wrong++
		default:
			both++
		}
	}
	t.Logf("PostgreSQL %s, seed %d: %d ran, allowed; %d lack a right, refused; %d refused although they ran; %d allowed and wrong; %d refused and wrong",
		postgres(t).Version, seedOfTests+2, ran, noRight, tooStrict, wrong, both)
	if ran < compared/20 || noRight < compared/20 {
		t.Error("hardly any text meant something to the server")
	}
}

func TestTheCasesMeanSomethingToAServer(t *testing.T) {
	restricted := dial(t, postgres(t).URL("fixed", "throw-away", "shop"))
	for _, c := range cases(t) {
		code := restricted.answer(t, c.text)
		switch {
		case c.want == "ok" && code == refusedForRights:
			t.Errorf("%s is allowed, and the server refuses it: %s", c.where, c.text)
		case c.want == "ok" && (code == "42601" || code == "42703" || code == "42P01"):
			t.Errorf("%s is no SQL of version %s (%s): %s", c.where, postgres(t).Version, code, c.text)
		}
	}
}

// Names are cut to 63 bytes and folded to lower case: both sides must come to the same.
func TestNamesAreReadAsAServerReadsThem(t *testing.T) {
	restricted := dial(t, postgres(t).URL("fixed", "throw-away", "shop"))
	for _, name := range []string{
		"ORDERS", "Orderş", "ÜBER", "\"ÜBER\"", "İI", "ＯＲＤＥＲＳ", "\u212aelvin", "a$b", "_", "\u00a0x", "\ufeffx", "é\u200bx",
		strings.Repeat("a", 62) + "é", strings.Repeat("é", 31), strings.Repeat("é", 32), strings.Repeat("É", 40), "\"" + strings.Repeat("x", 64) + "\"",
		strings.Repeat("漢", 22), "a" + strings.Repeat("漢", 21), "\"" + strings.Repeat("😀", 16) + "\"", "\"a\"\"b\"",
		"U&\"\\00dcber\"", "U&\"" + strings.Repeat("\\00e9", 40) + "\"", "U&\"!00dc\" UESCAPE '!'", "U&\"\\+01f600\"", "U&\"\\d83d\\de00\"",
	} {
		text := "SELECT 1 AS " + name
		p := grammarOf.parse(text)
		if p.err != nil {
			t.Errorf("%s: %v", name, p.err)
			continue
		}
		ours := p.statements[0].tree.(*selectStmt).TargetList[0].(*resTarget).Name
		results, err := restricted.PgConn().Exec(gocontext.Background(), text).ReadAll()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if theirs := results[0].FieldDescriptions[0].Name; ours != theirs {
			t.Errorf("%s: the judge reads %q, the server %q", name, ours, theirs)
		}
	}
}
