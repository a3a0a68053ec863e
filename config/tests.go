package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/policy"
	"github.com/curfewhq/curfew/schedule"
)

// Test is one sentence that must be true:
//
//	alice can have orders/refund-fixer on Tue 14:00 with an open incident, after 1 approval
//	release-bot cannot have orders/refund-fixer
//
// In this order: who, can or cannot, the role; then, each at most once: a
// resource (on orders-db), a time (on Tue 14:00, in the policy's zone or one
// that follows it), a workflow, a duration (for 30m), approvals.
type Test struct {
	Text     string
	Place    Place
	who      string
	can      bool
	role     curfew.RoleName
	resource curfew.ResourceName
	day      time.Weekday
	timed    bool
	clock    string // "14:00"
	zone     string
	workflow curfew.WorkflowKind
	duration time.Duration
	counted  bool
	count    int
}

const testExample = "alice can have orders/read on Tue 14:00 with an open incident, after 1 approval"

func testPattern() *regexp.Regexp {
	return regexp.MustCompile(`^(\S+) (can|cannot) have ([^\s,]+)` +
		`(?: on ([^\s,:]+))??` +
		`(?: on (Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([0-9]{1,2}:[0-9]{2})(?: ([A-Za-z_+\-]+/[A-Za-z0-9_+\-/]+|UTC))?)?` +
		`(?: with an? open ([a-z]+))?` +
		`(?: for ([0-9dhms]+))?` +
		`(?:,? (?:after ([0-9]{1,2}) approvals?|(without) approval))?$`)
}

func checkTest(s string) (string, error) {
	_, err := parseTest(s)
	return s, err
}

func parseTest(s string) (Test, error) {
	text := strings.Join(strings.Fields(s), " ")
	m := testPattern().FindStringSubmatch(text)
	if m == nil || len(s) > 500 {
		return Test{}, refuse("for example "+testExample, "the test %q cannot be read", s)
	}
	t := Test{Text: text, who: strings.ToLower(m[1]), can: m[2] == "can", role: curfew.RoleName(m[3]), resource: curfew.ResourceName(m[4]), zone: m[7]}
	if t.timed = m[5] != ""; t.timed {
		t.day, t.clock = weekdayOf(m[5]), m[6]
		zone := t.zone
		if zone == "" {
			zone = "UTC"
		}
		if _, err := schedule.Parse(m[5] + " " + t.clock + "-24:00 " + zone); err != nil {
			return Test{}, refuse(fixOf(err), "the test %q has no such time", s)
		}
	}
	if t.workflow = curfew.WorkflowKind(m[8]); m[8] != "" && !slices.Contains(curfew.WorkflowKinds(), t.workflow) {
		return Test{}, refuse("incident, maintenance, change, ticket, deploy or debugging", "%q is no kind of workflow", m[8])
	}
	if m[9] != "" {
		var ok bool
		if t.duration, ok = parseSpan(m[9]); !ok {
			return Test{}, refuse("for example 45m", "%q is no duration", m[9])
		}
	}
	t.counted = m[10] != "" || m[11] != ""
	t.count, _ = strconv.Atoi(m[10]) // two digits at most
	return t, nil
}

func weekdayOf(short string) time.Weekday {
	for day := range time.Weekday(7) {
		if day.String()[:3] == short {
			return day
		}
	}
	return time.Sunday // the pattern knows no other
}

// TestResult is what became of a test.
type TestResult struct {
	Test     Test
	OK       bool
	Message  string          // why it failed, or could not be run
	Decision policy.Decision // what the policies say, for the reasons
}

// RunTests evaluates the file's tests on its configuration, with the decision
// that requests get. Every relation counts as settled, everybody as enabled and
// as a person. A workflow in a test was opened by someone else and assigned to
// the requester. Without a time, hours and freezes are left out.
func RunTests(f *File, c curfew.Config, lookup Lookup, now time.Time) []TestResult {
	results := make([]TestResult, 0, len(f.Tests))
	for _, t := range f.Tests {
		results = append(results, runTest(t, f, c, lookup, now))
	}
	return results
}

func runTest(t Test, f *File, c curfew.Config, lookup Lookup, now time.Time) TestResult {
	result := TestResult{Test: t}
	who, err := f.who(t.who, lookup)
	if err != "" {
		result.Message = err
		return result
	}
	role, known := c.Roles[t.role]
	if !known {
		result.Message = fmt.Sprintf("there is no role %q", bounded(string(t.role)))
		return result
	}
	policies := slices.Collect(maps.Values(c.Policies))
	facts := t.facts(c, who, role)
	facts.Now = now
	if t.timed {
		facts.Now = t.when(now, policies)
		facts.Freezes = slices.Collect(maps.Values(c.Freezes))
	} else {
		for i := range policies {
			policies[i].Hours = nil
		}
	}
	if facts.Workflow != nil {
		facts.Workflow.OpenedAt = facts.Now.Add(-time.Hour)
	}
	result.Decision = policy.Decide(policies, facts)
	result.OK, result.Message = t.judge(result.Decision)
	return result
}

func (t Test) judge(d policy.Decision) (bool, string) {
	count := 0
	if d.OK {
		for _, a := range d.Best.Approvals {
			count += a.Need.Count
		}
	}
	switch {
	case d.OK != t.can && t.can:
		return false, "no policy allows it"
	case d.OK != t.can:
		return false, fmt.Sprintf("the policy %s allows it", d.Best.Policy)
	case t.can && t.counted && count != t.count:
		return false, fmt.Sprintf("it takes %d approvals, not %d", count, t.count)
	}
	return true, ""
}

func (t Test) facts(c curfew.Config, who curfew.Principal, role curfew.Role) policy.Facts {
	f := policy.Facts{
		Principal: who, Kind: curfew.Person, Enabled: true, Reason: "test", Duration: t.duration, Role: role, Roles: c.Roles,
		InGroup: func(p curfew.Principal, g curfew.GroupName) bool { return slices.Contains(c.Groups[g], p) },
		Approvers: func(p curfew.Policy, need curfew.ApprovalNeed) []curfew.Principal {
			return policy.Approvers(c, p, need, who)
		},
		Resource: c.Resources[t.resource],
	}
	if t.resource == "" {
		for _, name := range slices.Sorted(maps.Keys(c.Resources)) {
			if role.Covers(c.Resources[name]) {
				f.Resource = c.Resources[name]
				break
			}
		}
	}
	if t.workflow != "" {
		f.Workflow = &curfew.Workflow{ID: "TEST", Kind: t.workflow, Open: true, Assignee: who, Actors: []curfew.Principal{"p_someone_else"}}
	}
	return f
}

// when is the next such day and time after now, in the test's zone, else in
// that of the first policy that has hours for the role.
func (t Test) when(now time.Time, policies []curfew.Policy) time.Time {
	zone := t.zone
	slices.SortFunc(policies, func(a, b curfew.Policy) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for _, p := range policies {
		if zone != "" || len(p.Hours) == 0 || !slices.Contains(p.Roles, t.role) {
			continue
		}
		if w, err := schedule.Parse(p.Hours[0]); err == nil {
			zone = w.Zone()
		}
	}
	if zone == "" {
		zone = "UTC"
	}
	w, err := schedule.Parse(fmt.Sprintf("%s %s-24:00 %s", t.day.String()[:3], t.clock, zone))
	if err != nil {
		return now // parseTest has read it
	}
	return w.Opens(now)
}

// who finds a person by e-mail address, or by the part before the @ if only one has it.
func (f *File) who(name string, lookup Lookup) (curfew.Principal, string) {
	if strings.Contains(name, "@") {
		if p, ok := lookup(name); ok {
			return p, ""
		}
		return "", fmt.Sprintf("nobody has the address %s", bounded(name))
	}
	found := map[string]bool{}
	for _, email := range f.emails() {
		if local, _, _ := strings.Cut(email, "@"); local == name {
			found[email] = true
		}
	}
	switch emails := slices.Sorted(maps.Keys(found)); len(emails) {
	case 0:
		return "", fmt.Sprintf("nobody in this file is called %s", bounded(name))
	case 1:
		if p, ok := lookup(emails[0]); ok {
			return p, ""
		}
		return "", fmt.Sprintf("nobody has the address %s", emails[0])
	default:
		return "", fmt.Sprintf("%s could be %s", bounded(name), strings.Join(emails, " or "))
	}
}

// emails lists every address that the file names.
func (f *File) emails() []string {
	var all []string
	add := func(n *node) {
		for _, v := range values(n) {
			if email, err := checkEmail(v.text); err == nil {
				all = append(all, email)
			}
		}
	}
	for _, p := range f.People {
		all = append(all, p.Email)
	}
	for _, p := range f.parts {
		for _, e := range entries(p.root.get("groups")) {
			add(e.value)
		}
		for _, e := range entries(p.root.get("policies")) {
			add(e.value.get("who"))
		}
	}
	return all
}
