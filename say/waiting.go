package say

import (
	"fmt"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// Wait is what a client that waits for an answer is told about.
type Wait struct {
	Request  curfew.RequestID
	Role     curfew.RoleName
	Resource curfew.ResourceName
	For      time.Duration
	Who      []string  // some of those who may decide
	All      int       // how many there are
	Lapses   time.Time // in the person's zone
	By       string    // who asked, if it was not this connection; words that follow "asked"
}

func (w Wait) people(last string) string {
	clean := make([]string, 0, len(w.Who)+1)
	for _, p := range w.Who {
		clean = append(clean, Clean(p, maxName))
	}
	if more := w.All - len(w.Who); more > 0 {
		clean = append(clean, fmt.Sprintf("%d more", more))
	}
	if len(clean) == 0 {
		return "nobody who could agree now"
	}
	return listText(clean, last)
}

// Waiting is said to a client whose connection waits for an answer.
func Waiting(w Wait) Notice {
	detail := fmt.Sprintf("Request %s: %s on %s for %s", Clean(string(w.Request), 40), Clean(string(w.Role), curfew.MaxName), short(w.Resource), Duration(w.For))
	if w.By != "" {
		return Notice{
			Line: Clean("Curfew: "+w.By+" "+w.people("and")+"; waiting until "+clock(w.Lapses)+".", MaxLine), Detail: detail + ".",
			Hint: "Leaving does not withdraw it.",
		}
	}
	return Notice{
		Line: Clean("Curfew: asked "+w.people("and")+"; waiting until "+clock(w.Lapses)+".", MaxLine), Detail: detail + ".",
		Hint: "Leaving withdraws it.",
	}
}

// StillWaiting is said every so often, so that nobody takes it for a stalled network.
func StillWaiting(w Wait, now time.Time) Notice {
	left := max(w.Lapses.Sub(now), 0).Truncate(time.Second)
	if left >= time.Minute {
		left = left.Truncate(time.Minute)
	}
	return Notice{Line: Clean("Curfew: still waiting for "+w.people("or")+", until "+clock(w.Lapses)+" ("+Duration(left)+" left).", MaxLine)}
}

// Answered is why a client that waited is not let in: what happened, and by whom.
func Answered(cause curfew.Cause, role curfew.RoleName, by, why string, at time.Time) string {
	r := Clean(string(role), curfew.MaxName)
	switch cause {
	case curfew.CauseDenied:
		text := Clean(by, 80) + " denied your request for " + r
		if by == "" {
			text = "your request for " + r + " was denied"
		}
		if why = strings.TrimSpace(why); why != "" {
			text += fmt.Sprintf(": %q", Clean(why, 200))
		}
		return text
	case curfew.CauseLapsed:
		return "nobody answered your request for " + r + " in time; it lapsed at " + clock(at)
	}
	return "your request for " + r + " is over: " + Cause(cause)
}
