// Package say holds the sentences: effects, refusals, notices, farewells, one
// function each, so that command line, console, chat and native clients say the
// same. It is pure: it takes values and the names to show, and it makes what a
// stranger wrote safe before it is part of a sentence.
package say

import (
	"fmt"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/schedule"
)

// MaxLine bounds a notice's first line, in bytes.
const MaxLine = 120

const maxName = 40

// Names shows opaque identifiers as people know them.
type Names func(curfew.Principal) string

// Of returns the name to show, the identifier itself where there is none.
func (n Names) Of(p curfew.Principal) string {
	if n != nil {
		if name := n(p); name != "" {
			return Clean(name, 80)
		}
	}
	return Clean(string(p), 80)
}

// Duration says how long: "45 min", "2 h", "1 h 30 min".
func Duration(d time.Duration) string { return schedule.Span(d) }

// Long says how long as it is read aloud: "45 minutes", "1 hour 30 minutes".
func Long(d time.Duration) string {
	long := map[string]string{"d": "day", "h": "hour", "min": "minute", "s": "second"}
	parts := strings.Fields(schedule.Span(d))
	for i := 1; i < len(parts); i += 2 {
		parts[i] = plural(parts[i-1], long[parts[i]])
	}
	return strings.Join(parts, " ")
}

func plural(n, thing string) string {
	if n == "1" {
		return thing
	}
	return thing + "s"
}

// Effect is what a grant does, before any name of a role: "Alice may read orders
// on orders-db for 45 min."
func Effect(person, permission, resource string, d time.Duration) string {
	return fmt.Sprintf("%s may %s on %s for %s.", Clean(person, 80), Clean(permission, 400), Clean(resource, curfew.MaxName), Duration(d))
}

// Notice is what a person is told about their access: a first line of at most
// MaxLine bytes, then detail, then what to do.
type Notice struct {
	Line, Detail, Hint string
}

// String is the whole notice, a line each.
func (n Notice) String() string {
	var lines []string
	for _, l := range []string{n.Line, n.Detail, n.Hint} {
		if l != "" {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}

// Notice5 is said five minutes before the end; end is in the person's zone.
func Notice5(resource curfew.ResourceName, end time.Time) Notice {
	return Notice{
		Line: fmt.Sprintf("Curfew: access to %s ends in 5 minutes (%s).", short(resource), clock(end)),
		Hint: "To ask for more time: curfew extend",
	}
}

// Notice1 is said one minute before the end.
func Notice1(resource curfew.ResourceName, end time.Time) Notice {
	return Notice{
		Line: fmt.Sprintf("Curfew: access to %s ends in 1 minute (%s). Save your work.", short(resource), clock(end)),
		Hint: "To ask for more time: curfew extend",
	}
}

// Ending is what a farewell knows.
type Ending struct {
	Resource curfew.ResourceName
	Role     curfew.RoleName
	Grant    curfew.GrantID
	Cause    curfew.Cause
	By       string        // who, where a person did it; may be empty
	Reason   string        // what they said; may be empty
	At       time.Time     // in the person's zone
	Lasted   time.Duration // zero: not said
	Open     string        // what became of open work: "The open transaction was rolled back."
}

// Ended is the farewell: what ended, why, and the next step.
func Ended(e Ending) Notice {
	detail := upper(Cause(e.Cause))
	if e.By != "" {
		detail += ", by " + Clean(e.By, 80)
	}
	if e.Reason != "" {
		detail += fmt.Sprintf(": %q", Clean(e.Reason, 200))
	}
	detail += "."
	var facts []string
	if e.Grant != "" {
		facts = append(facts, "Grant "+Clean(string(e.Grant), 40))
	}
	if e.Lasted > 0 {
		facts = append(facts, "lasted "+Duration(e.Lasted))
	}
	if len(facts) > 0 {
		detail += " " + upper(strings.Join(facts, ", ")) + "."
	}
	if e.Open != "" {
		detail += " " + Clean(e.Open, 200)
	}
	hint := "To see what you can ask for: curfew find " + Clean(string(e.Resource), curfew.MaxName)
	if e.Role != "" {
		hint = "To ask again: curfew request " + Clean(string(e.Role), curfew.MaxName)
	}
	return Notice{
		Line:   fmt.Sprintf("Curfew: your access to %s ended at %s.", short(e.Resource), clock(e.At)),
		Detail: detail,
		Hint:   hint,
	}
}

// Refused is what a new connection without access is told: what happened, the
// fact behind it, what to do.
func Refused(resource curfew.ResourceName, why, fix string) Notice {
	n := Notice{
		Line:   fmt.Sprintf("Curfew: you do not have access to %s now.", short(resource)),
		Detail: Clean(why, 400),
		Hint:   Clean(fix, 400),
	}
	if fix == "" {
		n.Hint = "To see what you can ask for: curfew find " + Clean(string(resource), curfew.MaxName)
	}
	return n
}

// Stranger is the one sentence that everybody hears before they have signed in,
// whatever the cause (THREATS 29).
func Stranger() Notice {
	return Notice{Line: "Curfew: this sign-in is not valid.", Hint: "To sign in and connect: curfew connect"}
}

// Cause says a cause in words that follow "because" and begin a sentence.
func Cause(c curfew.Cause) string {
	switch c {
	case curfew.CauseExpired:
		return "its time is over"
	case curfew.CauseReturned:
		return "it was given back"
	case curfew.CauseRevoked:
		return "it was cut"
	case curfew.CauseWindow:
		return "the policy's hours ended"
	case curfew.CauseWorkflow:
		return "the incident or ticket it rested on was closed"
	case curfew.CauseDisabled:
		return "the account was disabled"
	case curfew.CauseGroup:
		return "you are no longer among those whom the policy names"
	case curfew.CausePolicy:
		return "the policy was changed"
	case curfew.CauseRole:
		return "the role was changed"
	case curfew.CauseResource:
		return "the resource was changed"
	case curfew.CauseUnused:
		return "it was approved and not used in time"
	case curfew.CauseUsedOutside:
		return "its account was used past the gateway"
	case curfew.CauseRestored:
		return "the gateway's records were restored"
	case curfew.CauseFreeze:
		return "a freeze began"
	case curfew.CauseBudget:
		return "its budget is spent"
	}
	return technical(c)
}

// technical are the causes that are nobody's decision about the access itself.
func technical(c curfew.Cause) string {
	switch c {
	case curfew.CauseClock:
		return "the gateway's clock stepped"
	case curfew.CauseRestart:
		return "the gateway was restarted"
	case curfew.CauseClosed:
		return "the client closed the connection"
	case curfew.CauseTarget:
		return "the target closed the connection or refused it"
	case curfew.CauseRecorder:
		return "the recording failed, and what cannot be recorded is not sent"
	case curfew.CauseProtocol:
		return "the client sent something that is refused"
	case curfew.CauseLedger:
		return "the ledger cannot be reached"
	case curfew.CauseSessionCut:
		return "this session was cut"
	case curfew.CauseLapsed:
		return "nobody answered in time"
	case curfew.CauseWithdrawn:
		return "the request was withdrawn"
	case curfew.CauseDenied:
		return "the request was denied"
	case curfew.CauseChanged:
		return "what was asked for changed while it waited"
	}
	return "it ended for an unknown cause (" + Clean(string(c), 40) + ")"
}

// Fuse draws how much is left: "████████░░░░". It is full only when all is left
// and empty only when nothing is.
func Fuse(left, total time.Duration, width int) string {
	width = min(max(width, 0), 1000)
	full := 0
	if total > 0 && left > 0 {
		full = min(max(int(float64(left)/float64(total)*float64(width)), 1), width)
		if left < total && width > 1 {
			full = min(full, width-1)
		}
	}
	full = min(full, width)
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

func short(r curfew.ResourceName) string { return Clean(string(r), maxName) }

func clock(t time.Time) string { return t.Format("15:04") }

func upper(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Soon is said before the end, by how much was planned: five minutes and one
// minute have their own words.
func Soon(resource curfew.ResourceName, end time.Time, left time.Duration) Notice {
	switch left {
	case 5 * time.Minute:
		return Notice5(resource, end)
	case time.Minute:
		return Notice1(resource, end)
	}
	return Notice{
		Line: fmt.Sprintf("Curfew: access to %s ends in %s (%s). Save your work.", short(resource), Long(left), end.Format("15:04:05")),
		Hint: "To ask for more time: curfew extend",
	}
}

// Moved is said when the end of a live session becomes another one.
func Moved(resource curfew.ResourceName, end time.Time, left time.Duration) Notice {
	return Notice{Line: fmt.Sprintf("Curfew: access to %s now ends at %s (in %s).", short(resource), clock(end), Long(max(left, 0).Round(time.Minute)))}
}

// Asked is the answer to asking for more time from inside: who was asked (some of
// them; how many there are in all), and what holds until then.
func Asked(id curfew.RequestID, who []string, all int, end time.Time) string {
	clean := make([]string, 0, len(who)+1)
	for _, w := range who {
		clean = append(clean, Clean(w, maxName))
	}
	if more := all - len(who); more > 0 {
		clean = append(clean, fmt.Sprintf("%d more", more))
	}
	asked := "nobody who could agree is known now"
	if len(clean) > 0 {
		asked = "it waits for " + listText(clean, "or")
	}
	return fmt.Sprintf("asked (%s): %s; until somebody agrees, your access ends at %s", id, asked, clock(end))
}
