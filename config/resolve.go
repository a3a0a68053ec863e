package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
)

// The defaults.
const (
	defaultSettle       = 24 * time.Hour
	defaultAnswerWithin = 30 * time.Minute
	defaultUseWithin    = 8 * time.Hour
	defaultHold         = 10 * time.Minute
)

func emptyConfig() curfew.Config {
	return curfew.Config{
		Settings:  curfew.Settings{Settle: defaultSettle},
		Groups:    map[curfew.GroupName][]curfew.Principal{},
		Managers:  map[curfew.Principal]curfew.Principal{},
		Resources: map[curfew.ResourceName]curfew.Resource{},
		Roles:     map[curfew.RoleName]curfew.Role{},
		Policies:  map[curfew.PolicyName]curfew.Policy{},
		Freezes:   map[string]curfew.Freeze{},
	}
}

// resolver builds a configuration from trees that fit the shape.
type resolver struct {
	*book
	lookup Lookup
	config curfew.Config
	people map[curfew.Principal]string // as written
}

func (r *resolver) problems() []Problem {
	if r.book == nil {
		return nil
	}
	return r.book.problems
}

func entries(n *node) []entry {
	if n == nil {
		return nil
	}
	return n.entries
}

func value(n *node) string {
	if n == nil {
		return ""
	}
	return n.text
}

// values returns the nodes of one or a list.
func values(n *node) []*node {
	switch {
	case n == nil || n.kind == empty:
		return nil
	case n.kind == list:
		return n.items
	}
	return []*node{n}
}

func texts(n *node) []string {
	var all []string
	for _, v := range values(n) {
		all = append(all, v.text)
	}
	return all
}

func typed[T ~string](n *node) []T {
	var all []T
	for _, v := range values(n) {
		all = append(all, T(v.text))
	}
	return all
}

func duration(n *node, or time.Duration) time.Duration {
	if n == nil {
		return or
	}
	d, _ := parseSpan(n.text) // the shape was checked
	return d
}

func (r *resolver) part(root *node) {
	if n := root.get("settings").get("settle"); n != nil {
		r.config.Settings.Settle = duration(n, 0)
	}
	if n := root.get("retention").get("recordings"); n != nil {
		r.config.Retention.Recordings, _ = parseTerm(n.text) // the shape was checked
	}
	for _, e := range entries(root.get("people")) {
		r.person(e)
	}
	for _, e := range entries(root.get("groups")) {
		r.config.Groups[curfew.GroupName(e.key)] = r.emails(e.value)
	}
	for _, e := range entries(root.get("resources")) {
		r.config.Resources[curfew.ResourceName(e.key)] = resource(e)
	}
	for _, e := range entries(root.get("roles")) {
		r.config.Roles[curfew.RoleName(e.key)] = role(e)
	}
	for _, e := range entries(root.get("policies")) {
		r.config.Policies[curfew.PolicyName(e.key)] = r.policy(e)
	}
	for _, e := range entries(root.get("freezes")) {
		from, _ := time.Parse(time.RFC3339, value(e.value.get("from")))
		to, _ := time.Parse(time.RFC3339, value(e.value.get("to")))
		r.config.Freezes[e.key] = curfew.Freeze{Name: e.key, From: from.UTC(), To: to.UTC()}
	}
}

func (r *resolver) person(e entry) {
	p := r.principal(e.key, e.line, e.column)
	if p == "" {
		return
	}
	if email, twice := r.people[p]; twice {
		r.add(e.line, e.column, fmt.Sprintf("%s and %s are the same person", bounded(email), bounded(e.key)), "keep one")
	}
	r.people[p] = e.key
	if n := e.value.get("manager"); n != nil {
		if m := r.email(n); m != "" {
			r.config.Managers[p] = m
		}
	}
}

func (r *resolver) email(n *node) curfew.Principal { return r.principal(n.text, n.line, n.column) }

func (r *resolver) principal(text string, line, column int) curfew.Principal {
	email, _ := checkEmail(text) // the shape was checked
	p, ok := r.lookup(email)
	if !ok || p == "" {
		r.add(line, column, fmt.Sprintf("nobody here has the address %s", bounded(email)), "add them under people, or invite them first")
		return ""
	}
	return p
}

func (r *resolver) emails(n *node) []curfew.Principal {
	all := []curfew.Principal{}
	for _, v := range values(n) {
		if p := r.email(v); p != "" {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *resolver) subject(n *node) (curfew.Subject, bool) {
	if _, err := checkGroup(n.text); err == nil {
		return curfew.Subject{Group: curfew.GroupName(n.text)}, true
	}
	p := r.email(n)
	return curfew.Subject{Principal: p}, p != ""
}

func (r *resolver) subjects(n *node) []curfew.Subject {
	var all []curfew.Subject
	for _, v := range values(n) {
		if s, ok := r.subject(v); ok && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

func resource(e entry) curfew.Resource {
	n := e.value
	res := curfew.Resource{
		Name:    curfew.ResourceName(e.key),
		Type:    curfew.EngineType(value(n.get("type"))),
		Address: value(n.get("address")),
		Login:   value(n.get("login")),
		Account: curfew.AccountKind(value(n.get("account"))),
		Labels:  labels(n.get("labels")),
		Accepts: value(n.get("accepts")),
	}
	if res.Account == "" {
		res.Account = curfew.Leased
	}
	options := map[string]any{}
	for _, o := range entries(n.get("options")) {
		options[o.key] = plain(o.value)
	}
	for _, key := range []string{"database", "tls", "host key"} {
		if v := n.get(key); v != nil {
			options[key] = plain(v)
		}
	}
	if len(options) > 0 {
		res.Options, _ = json.Marshal(options) // what plain makes encodes
	}
	return res
}

func labels(n *node) map[string]string {
	if len(entries(n)) == 0 {
		return nil
	}
	m := map[string]string{}
	for _, e := range n.entries {
		m[e.key] = e.value.text
	}
	return m
}

// plain is a node as JSON has it. Of the numbers only whole ones up to 2^53 are
// numbers, so that nothing is rounded in silence.
func plain(n *node) any {
	switch n.kind {
	case empty:
		return nil
	case list:
		all := []any{}
		for _, item := range n.items {
			all = append(all, plain(item))
		}
		return all
	case table:
		m := map[string]any{}
		for _, e := range n.entries {
			m[e.key] = plain(e.value)
		}
		return m
	}
	if n.plain && (n.text == "true" || n.text == "false") {
		return n.text == "true"
	}
	if i, err := strconv.ParseInt(n.text, 10, 54); err == nil && n.plain && strconv.FormatInt(i, 10) == n.text {
		return i
	}
	return n.text
}

func role(e entry) curfew.Role {
	n := e.value
	r := curfew.Role{
		Name:     curfew.RoleName(e.key),
		About:    value(n.get("about")),
		May:      texts(n.get("may")),
		Never:    texts(n.get("never")),
		Includes: typed[curfew.RoleName](n.get("includes")),
		Excludes: typed[curfew.RoleName](n.get("excludes")),
		Longest:  duration(n.get("longest"), 0),
	}
	if on := n.get("on"); on.kind == table {
		r.OnLabels = labels(on)
	} else {
		r.On = curfew.ResourceName(on.text)
	}
	return r
}

func (r *resolver) policy(e entry) curfew.Policy {
	n := e.value
	p := curfew.Policy{
		Name:          curfew.PolicyName(e.key),
		Who:           r.subjects(n.get("who")),
		Roles:         typed[curfew.RoleName](n.get("may have")),
		Hours:         hours(n.get("when").get("hours")),
		DuringFreezes: value(n.get("when").get("freezes")) == "allowed",
		AtMost:        duration(n.get("at most"), 0),
		AnswerWithin:  duration(n.get("answer within"), defaultAnswerWithin),
		UseWithin:     duration(n.get("use within"), defaultUseWithin),
		Starts:        curfew.AtApproval,
		Record:        curfew.RecordLive,
		Extensions:    curfew.ExtensionsPolicy(value(n.get("extensions"))),
		Risk:          curfew.Risk(value(n.get("risk"))),
		Budget: curfew.Budget{
			Statements: amountOf(n.get("budget").get("statements")), Rows: amountOf(n.get("budget").get("rows")), Bytes: amountOf(n.get("budget").get("bytes")),
		},
	}
	p.Release = r.release(n.get("release"))
	if s := value(n.get("starts")); s != "" {
		p.Starts = curfew.StartRule(s)
	}
	if s := value(n.get("record")); s != "" {
		p.Record = curfew.RecordMode(s)
	}
	for _, need := range values(n.get("needs")) {
		r.need(&p, need)
	}
	return p
}

// amountOf is an amount whose shape was checked; 0 where there is none.
func amountOf(n *node) int64 {
	i, _ := strconv.ParseInt(value(n), 10, 64)
	return i
}

func hours(n *node) []string {
	var all []string
	for _, text := range texts(n) {
		canonical, _ := checkHours(text) // the shape was checked
		all = append(all, canonical)
	}
	return all
}

func (r *resolver) need(p *curfew.Policy, n *node) {
	if n.get("approvals") != nil {
		p.Approvals = append(p.Approvals, r.approvals(n))
		return
	}
	for _, kind := range curfew.WorkflowKinds() {
		if n.get(string(kind)) != nil {
			p.Workflows = append(p.Workflows, curfew.WorkflowNeed{
				Kind:                kind,
				AssignedToRequester: n.get("assigned to") != nil,
				AcceptSelfDeclared:  n.get("accept") != nil,
			})
		}
	}
}

// approvals is how many must agree, and out of whom.
func (r *resolver) approvals(n *node) (need curfew.ApprovalNeed) {
	need.Count, _ = strconv.Atoi(value(n.get("approvals")))
	for _, from := range values(n.get("from")) {
		switch from.text {
		case "manager":
			need.Manager = true
		case "peer":
			need.Peer = true
		default:
			if s, ok := r.subject(from); ok && !slices.Contains(need.From, s) {
				need.From = append(need.From, s)
			}
		}
	}
	return need
}

func (r *resolver) release(n *node) curfew.Release {
	if n == nil {
		return curfew.Release{}
	}
	classes := typed[curfew.StatementClass](n.get("statements"))
	slices.Sort(classes)
	return curfew.Release{Statements: slices.Compact(classes), By: r.approvals(n.get("by")), Within: duration(n.get("within"), defaultHold)}
}
