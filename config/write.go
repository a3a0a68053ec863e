package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// Known is what a person is called in a file.
type Known struct{ Email, Name string }

// Write makes a file of a configuration: what Resolve made of one comes back as
// text that resolves to the same. Comments and tests are no part of a
// configuration, and are not there. A person without an address (one whose text
// is erased) cannot be named, and is left out with a comment that says so.
func Write(c curfew.Config, known func(curfew.Principal) Known) []byte {
	w := &writer{known: known}
	w.line(0, "curfew: v1")
	w.settings(c)
	w.people(c)
	section(w, "groups", c.Groups, func(name curfew.GroupName, members []curfew.Principal) {
		w.line(1, quoted(string(name))+": "+flow(w.emails(members)))
	})
	section(w, "resources", c.Resources, func(_ curfew.ResourceName, r curfew.Resource) { w.resource(r) })
	section(w, "roles", c.Roles, func(_ curfew.RoleName, r curfew.Role) { w.role(r) })
	section(w, "policies", c.Policies, func(_ curfew.PolicyName, p curfew.Policy) { w.policy(p) })
	section(w, "freezes", c.Freezes, func(name string, f curfew.Freeze) {
		w.line(1, quoted(name)+":")
		w.line(2, "from: "+f.From.UTC().Format(time.RFC3339))
		w.line(2, "to: "+f.To.UTC().Format(time.RFC3339))
	})
	return []byte(w.text.String())
}

type writer struct {
	text  strings.Builder
	known func(curfew.Principal) Known
}

func (w *writer) line(depth int, text string) {
	w.text.WriteString(strings.Repeat("  ", depth) + text + "\n")
}

// section writes the things of one kind, in the order of their names.
func section[K ~string, V any](w *writer, title string, all map[K]V, one func(K, V)) {
	if len(all) == 0 {
		return
	}
	w.line(0, "\n"+title+":")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		one(name, all[name])
	}
}

func (w *writer) settings(c curfew.Config) {
	if c.Settings.Settle != defaultSettle {
		w.line(0, "\nsettings:")
		w.line(1, "settle: "+spanText(c.Settings.Settle))
	}
	if c.Retention.Recordings > 0 {
		w.line(0, "\nretention:")
		w.line(1, fmt.Sprintf("recordings: %dd", c.Retention.Recordings/(24*time.Hour)))
	}
}

// people are all whom the configuration names: a file says who they are.
func (w *writer) people(c curfew.Config) {
	named := map[curfew.Principal]bool{}
	for _, members := range c.Groups {
		for _, p := range members {
			named[p] = true
		}
	}
	for p, m := range c.Managers {
		named[p], named[m] = true, true
	}
	type line struct{ email, text string }
	var lines []line
	for p := range named {
		k := w.known(p)
		if k.Email == "" {
			continue
		}
		var parts []string
		if k.Name != "" && k.Name != k.Email {
			parts = append(parts, "name: "+quoted(k.Name))
		}
		if m := w.known(c.Managers[p]); c.Managers[p] != "" && m.Email != "" {
			parts = append(parts, "manager: "+m.Email)
		}
		text := k.Email + ":"
		if len(parts) > 0 {
			text += " { " + strings.Join(parts, ", ") + " }"
		}
		lines = append(lines, line{k.Email, text})
	}
	if len(lines) == 0 {
		return
	}
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.email, b.email) })
	w.line(0, "\npeople:")
	for _, l := range lines {
		w.line(1, l.text)
	}
}

func (w *writer) emails(people []curfew.Principal) []string {
	out := []string{}
	for _, p := range people {
		if k := w.known(p); k.Email != "" {
			out = append(out, k.Email)
		} else {
			w.line(1, "# somebody whose address is erased is left out of the next line")
		}
	}
	slices.Sort(out)
	return out
}

func (w *writer) subjects(all []curfew.Subject) []string {
	var out []string
	for _, s := range all {
		if s.Group != "" {
			out = append(out, string(s.Group))
			continue
		}
		out = append(out, w.emails([]curfew.Principal{s.Principal})...)
	}
	return out
}

func (w *writer) resource(r curfew.Resource) {
	w.line(1, quoted(string(r.Name))+":")
	w.line(2, "type: "+quoted(string(r.Type)))
	w.line(2, "address: "+quoted(r.Address))
	w.some(2, "login", r.Login)
	if r.Account != curfew.Leased {
		w.some(2, "account", string(r.Account))
	}
	if len(r.Labels) > 0 {
		w.line(2, "labels: "+tableText(r.Labels))
	}
	w.some(2, "accepts", r.Accepts)
	var options map[string]json.RawMessage
	_ = json.Unmarshal(r.Options, &options) // made by Resolve, or empty
	for _, key := range []string{"database", "tls", "host key"} {
		if v, ok := options[key]; ok && string(v) != "null" {
			w.line(2, key+": "+string(v))
			delete(options, key)
		}
	}
	if len(options) > 0 {
		text, _ := json.Marshal(options) // what was read from JSON
		w.line(2, "options: "+string(text))
	}
}

func (w *writer) role(r curfew.Role) {
	w.line(1, quoted(string(r.Name))+":")
	w.some(2, "about", r.About)
	if r.On != "" {
		w.line(2, "on: "+quoted(string(r.On)))
	} else {
		w.line(2, "on: "+tableText(r.OnLabels))
	}
	w.list(2, "may", r.May)
	w.list(2, "never", r.Never)
	w.flows(2, "includes", plainTexts(r.Includes))
	w.flows(2, "excludes", plainTexts(r.Excludes))
	w.line(2, "longest: "+spanText(r.Longest))
}

func (w *writer) policy(p curfew.Policy) {
	w.line(1, quoted(string(p.Name))+":")
	w.line(2, "who: "+oneOr(w.subjects(p.Who)))
	w.line(2, "may have: "+oneOr(plainTexts(p.Roles)))
	if len(p.Hours) > 0 || p.DuringFreezes {
		w.line(2, "when:")
		if len(p.Hours) > 0 {
			w.line(3, "hours: "+oneOr(p.Hours))
		}
		if p.DuringFreezes {
			w.line(3, "freezes: allowed")
		}
	}
	w.needs(p)
	for _, d := range []struct {
		key       string
		is, usual time.Duration
	}{{"at most", p.AtMost, 0}, {"answer within", p.AnswerWithin, defaultAnswerWithin}, {"use within", p.UseWithin, defaultUseWithin}} {
		if d.is != d.usual && d.is > 0 {
			w.line(2, d.key+": "+spanText(d.is))
		}
	}
	if p.Starts != curfew.AtApproval {
		w.some(2, "starts", string(p.Starts))
	}
	if p.Record != curfew.RecordLive {
		w.some(2, "record", string(p.Record))
	}
	w.some(2, "risk", string(p.Risk))
	w.some(2, "extensions", string(p.Extensions))
	var budget []string
	for _, b := range []struct {
		key string
		n   int64
	}{{"statements", p.Budget.Statements}, {"rows", p.Budget.Rows}, {"bytes", p.Budget.Bytes}} {
		if b.n > 0 {
			budget = append(budget, b.key+": "+strconv.FormatInt(b.n, 10))
		}
	}
	if len(budget) > 0 {
		w.line(2, "budget: { "+strings.Join(budget, ", ")+" }")
	}
	if p.Release.Some() {
		w.line(2, "release:")
		w.line(3, "statements: "+flow(plainTexts(p.Release.Statements)))
		w.line(3, "by: { "+w.approvals(p.Release.By)+" }")
		if p.Release.Within != defaultHold {
			w.line(3, "within: "+spanText(p.Release.Within))
		}
	}
}

func (w *writer) needs(p curfew.Policy) {
	if len(p.Workflows)+len(p.Approvals) == 0 {
		return
	}
	w.line(2, "needs:")
	for _, n := range p.Workflows {
		text := string(n.Kind) + ": open"
		if n.AssignedToRequester {
			text += ", assigned to: requester"
		}
		switch {
		case n.AcceptSelfDeclared:
			text += ", accept: self-declared"
		case len(p.Approvals) == 0:
			text += ", opened by: someone else"
		}
		w.line(3, "- { "+text+" }")
	}
	for _, n := range p.Approvals {
		w.line(3, "- { "+w.approvals(n)+" }")
	}
}

func (w *writer) approvals(n curfew.ApprovalNeed) string {
	from := w.subjects(n.From)
	if n.Manager {
		from = append(from, "manager")
	}
	if n.Peer {
		from = append(from, "peer")
	}
	return fmt.Sprintf("approvals: %d, from: %s", max(n.Count, 1), oneOr(from))
}

func (w *writer) some(depth int, key, text string) {
	if text != "" {
		w.line(depth, key+": "+quoted(text))
	}
}

func (w *writer) flows(depth int, key string, all []string) {
	if len(all) > 0 {
		w.line(depth, key+": "+oneOr(all))
	}
}

// list writes lines of a grammar, one under the other.
func (w *writer) list(depth int, key string, all []string) {
	if len(all) == 0 {
		return
	}
	w.line(depth, key+":")
	for _, text := range all {
		w.line(depth+1, "- "+quoted(text))
	}
}

func plainTexts[T ~string](in []T) (out []string) {
	for _, x := range in {
		out = append(out, string(x))
	}
	return out
}

func oneOr(all []string) string {
	if len(all) == 1 {
		return quoted(all[0])
	}
	return flow(all)
}

func flow(all []string) string {
	out := make([]string, 0, len(all))
	for _, x := range all {
		out = append(out, quoted(x))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func tableText(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, quoted(k)+": "+quoted(m[k]))
	}
	return "{ " + strings.Join(out, ", ") + " }"
}

// simple is text that YAML takes for nothing but text, wherever it stands.
var simple = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./@*+-]*( [A-Za-z0-9_./@*+-]+)*$`)

// quoted is text as YAML has it: in quotes, as JSON, where it could be taken for anything else.
func quoted(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
	default:
		if simple.MatchString(s) {
			return s
		}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string
	return strings.TrimSpace(b.String())
}

// spanText writes what parseSpan reads.
func spanText(d time.Duration) string {
	var b strings.Builder
	for _, u := range []struct {
		letter string
		size   time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.letter)
			d -= n * u.size
		}
	}
	return b.String()
}
