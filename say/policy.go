package say

import (
	"fmt"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/schedule"
)

// Policy reads a policy aloud: "Anyone in payments may have
// orders/refund-fixer for at most 45 minutes, Monday to Friday 09:00 to 18:00
// Paris time, if an open incident is assigned to them, and after one other person
// in payments approves. The request lapses after 30 minutes. Everything is
// recorded."
func Policy(p curfew.Policy, names Names) string {
	parts := []string{whoText(p.Who, names) + " may have " + listText(roleTexts(p.Roles), "or")}
	if p.AtMost > 0 {
		parts[0] += " for at most " + Long(p.AtMost)
	}
	if p.Budget.Some() {
		parts[0] += ", with at most " + Budget(p.Budget)
	}
	if len(p.Hours) > 0 {
		parts = append(parts, listText(hoursTexts(p.Hours), "or"))
	}
	if p.DuringFreezes {
		parts = append(parts, "also during freezes")
	}
	for i, need := range p.Workflows {
		parts = append(parts, lead(i, "if")+workflowText(need, len(p.Approvals) > 0))
	}
	for i, need := range p.Approvals {
		text := lead(i, "after") + approvalText(need, p.Who, names)
		if i == 0 && len(p.Workflows) > 0 {
			text = "and " + text
		}
		parts = append(parts, text)
	}
	sentence := strings.Join(parts, ", ") + "."
	return sentence + restText(p, names)
}

func lead(i int, first string) string {
	if i == 0 {
		return first + " "
	}
	return "and " + first + " "
}

// restText says the clocks and the recording.
func restText(p curfew.Policy, names Names) string {
	s := ""
	if p.AnswerWithin > 0 && len(p.Approvals) > 0 {
		s += " The request lapses after " + Long(p.AnswerWithin) + "."
	}
	if p.Starts == curfew.AtFirstUse {
		s += " The clock starts at first use"
		if p.UseWithin > 0 {
			s += ", which must be within " + Long(p.UseWithin)
		}
		s += "."
	}
	if p.Release.Some() {
		s += " " + Release(p.Release, p.Who, names)
	}
	if p.Extensions == curfew.NoExtensions {
		s += " It is never extended."
	}
	if p.Risk == curfew.HighRisk && len(p.Approvals) > 0 {
		s += " Its risk is high: a grant starts " + Duration(curfew.Undo) + " after the approval, which can be undone until then."
	}
	return s + " " + Recorded(p.Record)
}

// Recorded says what is recorded, and when.
func Recorded(m curfew.RecordMode) string {
	s := "Everything is recorded"
	if m.First() {
		s += " before it is sent"
	}
	if m.Results() {
		s += ", what the target answers too"
	}
	return s + "."
}

// Approval says who must agree: "one other person in leads approves".
func Approval(need curfew.ApprovalNeed, who []curfew.Subject, names Names) string {
	return approvalText(need, who, names)
}

func whoText(who []curfew.Subject, names Names) string {
	var all []string
	groups := false
	for _, s := range who {
		if s.Group != "" {
			all = append(all, Clean(string(s.Group), curfew.MaxName))
			groups = true
			continue
		}
		all = append(all, names.Of(s.Principal))
	}
	switch {
	case len(all) == 0:
		return "Nobody"
	case groups:
		return "Anyone in " + listText(all, "or")
	}
	return listText(all, "or")
}

func workflowText(need curfew.WorkflowNeed, people bool) string {
	s := "an open " + string(need.Kind)
	switch {
	case need.AssignedToRequester:
		s += " is assigned to them"
	default:
		s = "a" + strings.TrimPrefix(s, "an open") + " is open"
		if need.Kind == curfew.Incident {
			s = "an incident is open"
		}
	}
	if need.AcceptSelfDeclared {
		return s + ", their own word being enough"
	}
	if !people {
		return s + " that someone else opened"
	}
	return s
}

func approvalText(need curfew.ApprovalNeed, who []curfew.Subject, names Names) string {
	count := max(need.Count, 1)
	var from []string
	for _, s := range need.From {
		if s.Group != "" {
			from = append(from, "in "+Clean(string(s.Group), curfew.MaxName))
			continue
		}
		from = append(from, "("+names.Of(s.Principal)+")")
	}
	if need.Peer {
		from = append(from, "among those who may ask")
	}
	switch {
	case need.Manager && len(from) == 0 && count == 1:
		return "their manager approves"
	case need.Manager:
		from = append(from, "(their manager)")
	}
	verb := "approve"
	people := number(count) + " other people"
	if count == 1 {
		verb, people = "approves", "one other person"
	}
	return strings.TrimSpace(people+" "+listText(from, "or")) + " " + verb
}

func number(n int) string {
	words := []string{"no", "one", "two", "three", "four", "five", "six"}
	if n < len(words) {
		return words[n]
	}
	return fmt.Sprint(n)
}

// hoursTexts reads windows aloud: "Monday to Friday 09:00 to 18:00 Paris time".
func hoursTexts(hours []string) []string {
	var all []string
	for _, text := range hours {
		w, err := schedule.Parse(text)
		if err != nil {
			all = append(all, "never (its hours cannot be read)")
			continue
		}
		all = append(all, Window(w))
	}
	return all
}

// Window reads a window aloud.
func Window(w schedule.Window) string {
	from, to := w.Hours()
	zone := w.Zone()
	if i := strings.LastIndex(zone, "/"); i >= 0 {
		zone = strings.ReplaceAll(zone[i+1:], "_", " ") + " time"
	}
	if from == "00:00" && to == "24:00" {
		return daysText(w) + ", all day, " + zone
	}
	night := ""
	if to <= from {
		night = " the next day"
	}
	return fmt.Sprintf("%s %s to %s%s %s", daysText(w), from, to, night, zone)
}

func daysText(w schedule.Window) string {
	days := w.Days()
	if len(days) == 7 {
		return "every day"
	}
	if n := len(days); n > 2 && days[n-1] == (days[0]+time.Weekday(n-1))%7 {
		return days[0].String() + " to " + days[n-1].String()
	}
	var all []string
	for _, d := range days {
		all = append(all, d.String())
	}
	return listText(all, "and")
}

func listText(all []string, last string) string {
	switch len(all) {
	case 0:
		return ""
	case 1:
		return all[0]
	}
	return strings.Join(all[:len(all)-1], ", ") + " " + last + " " + all[len(all)-1]
}

func roleTexts(roles []curfew.RoleName) []string {
	var all []string
	for _, r := range roles {
		all = append(all, Clean(string(r), curfew.MaxName))
	}
	return all
}

// Budget says what is bounded: "200 statements and 10000 rows".
func Budget(b curfew.Budget) string {
	var all []string
	for _, x := range []struct {
		n    int64
		what string
	}{{b.Statements, "statement"}, {b.Rows, "row"}, {b.Bytes, "byte"}} {
		if x.n > 0 {
			all = append(all, count(x.n, x.what))
		}
	}
	return listText(all, "and")
}
