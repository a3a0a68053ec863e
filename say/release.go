package say

import (
	"fmt"
	"time"

	"github.com/curfewhq/curfew"
)

// Release reads aloud which statements wait for whom: "Statements that drop objects
// wait, at most 10 minutes, until one other person in dba releases them."
func Release(r curfew.Release, who []curfew.Subject, names Names) string {
	var what []string
	for _, c := range r.Statements {
		what = append(what, Class(c))
	}
	text := approvalText(r.By, who, names)
	for _, verb := range []string{" approves", " approve"} {
		if n := len(text) - len(verb); n > 0 && text[n:] == verb {
			text = text[:n] + map[string]string{" approves": " releases", " approve": " release"}[verb] + " them"
			break
		}
	}
	return "Statements that " + listText(what, "or") + " wait, at most " + Long(r.Within) + ", until " + text + "; so does what cannot be seen into."
}

// Holds says to whoever connects which of their statements will wait; "" where none do.
func Holds(r curfew.Release) string {
	if !r.Some() {
		return ""
	}
	var what []string
	for _, c := range r.Statements {
		what = append(what, Class(c))
	}
	return "Statements that " + listText(what, "or") + ", and what cannot be seen into, wait until a second person has released them."
}

// Class says what statements of a class do.
func Class(c curfew.StatementClass) string {
	switch c {
	case curfew.ClassDDL:
		return "change the schema or accounts"
	case curfew.ClassDrop:
		return "drop objects"
	case curfew.ClassTruncate:
		return "empty tables"
	case curfew.ClassGrant:
		return "give or take rights"
	case curfew.ClassDelete:
		return "delete rows"
	case curfew.ClassDeleteWithoutWhere:
		return "delete rows without a condition"
	case curfew.ClassUpdate:
		return "update rows"
	case curfew.ClassUpdateWithoutWhere:
		return "update rows without a condition"
	case curfew.ClassInsert:
		return "insert rows"
	case curfew.ClassMerge:
		return "merge rows"
	case curfew.ClassCopyIn:
		return "copy rows in"
	case curfew.ClassCopyOut:
		return "copy rows out"
	case curfew.ClassCopyProgram:
		return "use files or programs of the server"
	case curfew.ClassCode:
		return "run code that cannot be seen into"
	case curfew.ClassUnknown:
		return "cannot be classified"
	}
	return "are of the kind " + Clean(string(c), 40)
}

// Hold is what somebody whose statement waits is told about.
type Hold struct {
	Statement curfew.StatementID
	Classes   []curfew.StatementClass
	Who       []string // some of those who may release it
	All       int
	Lapses    time.Time // in the person's zone
	Open      bool      // a transaction is open
}

// Holding is said to a client whose statement waits for a release.
func Holding(h Hold) Notice {
	var what []string
	for _, c := range h.Classes {
		what = append(what, Class(c))
	}
	detail := fmt.Sprintf("Statement %s is held: statements that %s wait for a second person. Nothing of it has been sent.", Clean(string(h.Statement), 40), listText(what, "or"))
	if h.Open {
		detail += " The open transaction waits with it, and keeps its locks."
	}
	return Notice{
		Line:   Clean("Curfew: asked "+Wait{Who: h.Who, All: h.All}.people("and")+" to release this statement; waiting until "+clock(h.Lapses)+".", MaxLine),
		Detail: detail, Hint: "To take it back: cancel it (Ctrl-C).",
	}
}

// StillHolding is said every so often.
func StillHolding(h Hold, now time.Time) Notice {
	w := Wait{Who: h.Who, All: h.All, Lapses: h.Lapses}
	return StillWaiting(w, now)
}

// NotReleased is why a statement was not sent.
func NotReleased(cause curfew.Cause, by, why string, at time.Time) string {
	switch cause {
	case curfew.CauseDenied:
		text := "this statement was not released"
		if by != "" {
			text = Clean(by, 80) + " did not release this statement"
		}
		if why != "" {
			text += fmt.Sprintf(": %q", Clean(why, 200))
		}
		return text
	case curfew.CauseLapsed:
		return "nobody released this statement in time; it lapsed at " + clock(at)
	case curfew.CauseWithdrawn:
		return "you took this statement back"
	}
	return "this statement was not released: " + Cause(cause)
}
