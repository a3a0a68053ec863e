package say

import (
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

func TestWhatThoseWhoWaitAreTold(t *testing.T) {
	until := time.Date(2026, 6, 2, 14, 32, 0, 0, time.UTC)
	w := Wait{Request: "rq_1", Role: "orders/read", Resource: "orders-db", For: 30 * time.Minute, Who: []string{"Dana", "Marcus"}, All: 2, Lapses: until}
	h := Hold{Statement: "st_1", Classes: []curfew.StatementClass{curfew.ClassDrop, curfew.ClassDDL}, Who: []string{"Dana"}, All: 3, Lapses: until, Open: true}
	byHand := w
	byHand.By = "you asked"
	for got, want := range map[string]string{
		Waiting(w).String():      "Curfew: asked Dana and Marcus; waiting until 14:32.\nRequest rq_1: orders/read on orders-db for 30 min.\nLeaving withdraws it.",
		Waiting(byHand).String(): "Curfew: you asked Dana and Marcus; waiting until 14:32.\nRequest rq_1: orders/read on orders-db for 30 min.\nLeaving does not withdraw it.",
		StillWaiting(w, until.Add(-12*time.Minute-5*time.Second)).String(): "Curfew: still waiting for Dana or Marcus, until 14:32 (12 min left).",
		StillWaiting(w, until.Add(-40*time.Second)).String():               "Curfew: still waiting for Dana or Marcus, until 14:32 (40 s left).",
		Holding(h).String(): "Curfew: asked Dana and 2 more to release this statement; waiting until 14:32.\nStatement st_1 is held: statements that drop objects or change the schema or accounts " +
			"wait for a second person. Nothing of it has been sent. The open transaction waits with it, and keeps its locks.\nTo take it back: cancel it (Ctrl-C).",
		Answered(curfew.CauseDenied, "orders/read", "Dana", "wrong cluster", until): `Dana denied your request for orders/read: "wrong cluster"`,
		Answered(curfew.CauseLapsed, "orders/read", "", "", until):                  "nobody answered your request for orders/read in time; it lapsed at 14:32",
		Answered(curfew.CauseChanged, "orders/read", "", "", until):                 "your request for orders/read is over: what was asked for changed while it waited",
		NotReleased(curfew.CauseDenied, "Dana", "no", until):                        `Dana did not release this statement: "no"`,
		NotReleased(curfew.CauseLapsed, "", "", until):                              "nobody released this statement in time; it lapsed at 14:32",
	} {
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestNobodyWaitsForTextThatActs(t *testing.T) {
	bad := "\x1b[2J\u202e\n✓ Approved by Dana" + strings.Repeat("W", 300)
	w := Wait{Request: curfew.RequestID(bad), Role: curfew.RoleName(bad), Resource: curfew.ResourceName(bad), Who: []string{bad, bad, bad}, All: 9}
	h := Hold{Statement: curfew.StatementID(bad), Classes: []curfew.StatementClass{curfew.StatementClass(bad)}, Who: []string{bad}, All: 1}
	for _, n := range []Notice{Waiting(w), StillWaiting(w, time.Now()), Holding(h), StillHolding(h, time.Now()), {Line: Clean("", MaxLine), Detail: Answered(curfew.CauseDenied, curfew.RoleName(bad), bad, bad, time.Time{}), Hint: NotReleased(curfew.CauseDenied, bad, bad, time.Time{})}} {
		if len(n.Line) > MaxLine || strings.ContainsAny(n.Line+n.Detail+n.Hint, "\x1b\u202e\n") {
			t.Errorf("%q", n)
		}
	}
}

func TestEveryClassHasWords(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range curfew.StatementClasses() {
		text := Class(c)
		if strings.Contains(text, string(c)) && strings.HasPrefix(text, "are of the kind") || seen[text] {
			t.Errorf("%s is said as %q", c, text)
		}
		seen[text] = true
	}
}
