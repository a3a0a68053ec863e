package client

import (
	"context"
	"io"
	"net/url"
	"time"
)

// Policy is a policy read aloud.
type Policy struct {
	Name     string   `json:"name"`
	Sentence string   `json:"sentence"`
	Roles    []string `json:"roles"`
	Origin   string   `json:"origin,omitempty" doc:"Where it stands in the files that were applied; for administrators and auditors"`
}

// Path is one way by which somebody could reach a resource.
type Path struct {
	Resource string    `json:"resource,omitempty" doc:"Where several are spoken of"`
	Person   Person    `json:"person"`
	Role     string    `json:"role"`
	Effect   string    `json:"effect"`
	How      string    `json:"how" enum:"active,scheduled,may ask"`
	Policy   string    `json:"policy"`
	Grant    string    `json:"grant,omitempty"`
	Until    time.Time `json:"until,omitzero"`
	Why      string    `json:"why" doc:"What it rests on, or what it would take"`
}

// Reach says who could reach a resource at a moment.
type Reach struct {
	Resource string    `json:"resource"`
	At       time.Time `json:"at"`
	Paths    []Path    `json:"paths"`
	Position uint64    `json:"position"`
}

// Head is the newest signed tree head.
type Head struct {
	Size uint64    `json:"size"`
	Time time.Time `json:"time"`
	Note string    `json:"note" doc:"C2SP tlog-checkpoint"`
}

// Chain is what verifying the whole ledger came to.
type Chain struct {
	OK      bool      `json:"ok"`
	Events  uint64    `json:"events" doc:"That agree with the signed heads"`
	Heads   uint64    `json:"heads"`
	Last    time.Time `json:"last" doc:"Of the newest event"`
	Problem string    `json:"problem,omitempty" doc:"What is wrong first"`
	Took    string    `json:"took"`
}

// WhyQuery asks whether somebody can have a role.
type WhyQuery struct {
	Person, Role, Resource, For, Workflow string
	At                                    time.Time // a past moment; zero: now
}

// Why says whether somebody can have a role, and why.
func (c *Client) Why(ctx context.Context, in WhyQuery) (Answer, error) {
	q := url.Values{}
	set(q, "person", in.Person)
	set(q, "role", in.Role)
	set(q, "resource", in.Resource)
	set(q, "for", in.For)
	set(q, "workflow", in.Workflow)
	setTime(q, "at", in.At)
	return get[Answer](ctx, c, "/why", q)
}

// WhoCan says who could reach a resource; a zero time is now.
func (c *Client) WhoCan(ctx context.Context, resource, role string, at time.Time) (Reach, error) {
	q := url.Values{"resource": {resource}}
	set(q, "role", role)
	setTime(q, "at", at)
	return get[Reach](ctx, c, "/who-can", q)
}

// Reach says what somebody could reach; "": the caller; a zero time is now.
func (c *Client) Reach(ctx context.Context, person string, at time.Time) (Reachable, error) {
	q := url.Values{}
	set(q, "person", person)
	setTime(q, "at", at)
	return get[Reachable](ctx, c, "/reach", q)
}

// Search narrows the audit log.
type Search struct {
	Kind, Person, Resource, Grant, Request, Session string
	From, To                                        time.Time
	Before, Position                                uint64
	Limit                                           int
}

// Audit lists what was decided, newest first.
func (c *Client) Audit(ctx context.Context, in Search) (List[Entry], error) {
	q := url.Values{}
	set(q, "kind", in.Kind)
	set(q, "person", in.Person)
	set(q, "resource", in.Resource)
	set(q, "grant", in.Grant)
	set(q, "request", in.Request)
	set(q, "session", in.Session)
	setTime(q, "from", in.From)
	setTime(q, "to", in.To)
	setNumber(q, "before", in.Before)
	setNumber(q, "position", in.Position)
	setNumber(q, "limit", uint64(max(in.Limit, 0)))
	return get[List[Entry]](ctx, c, "/audit", q)
}

// LedgerHead is the newest signed tree head.
func (c *Client) LedgerHead(ctx context.Context) (Head, error) {
	return get[Head](ctx, c, "/ledger/head", nil)
}

// CheckLedger has the gateway verify its whole ledger.
func (c *Client) CheckLedger(ctx context.Context) (Chain, error) {
	return get[Chain](ctx, c, "/ledger/check", nil)
}

// Export copies the ledger to w, for offline verification.
func (c *Client) Export(ctx context.Context, w io.Writer) (int64, error) {
	return c.copyTo(ctx, "/ledger/export", w)
}

// Validate checks configuration files.
func (c *Client) Validate(ctx context.Context, in Files) (Plan, error) {
	return post[Plan](ctx, c, "/config/validate", in)
}

// Plan says what configuration files would change.
func (c *Client) Plan(ctx context.Context, in Files) (Plan, error) {
	return post[Plan](ctx, c, "/config/plan", in)
}

// Apply applies configuration files, or puts them to a second person.
func (c *Client) Apply(ctx context.Context, in Files) (Plan, error) {
	return post[Plan](ctx, c, "/config/apply", in)
}

// Config is the configuration that holds, as files.
func (c *Client) Config(ctx context.Context) (Configuration, error) {
	return get[Configuration](ctx, c, "/config", nil)
}

// Plans lists plans that wait for a second person.
func (c *Client) Plans(ctx context.Context) (List[Plan], error) {
	return get[List[Plan]](ctx, c, "/plans", nil)
}

// Agree agrees to a plan of somebody else.
func (c *Client) Agree(ctx context.Context, id string, in Decision) (Done, error) {
	return post[Done](ctx, c, "/plans/"+seg(id)+"/agree", in)
}

// DropPlan drops a waiting plan.
func (c *Client) DropPlan(ctx context.Context, id string, in Why) (Done, error) {
	return post[Done](ctx, c, "/plans/"+seg(id)+"/drop", in)
}

// Policies lists the policies, read aloud.
func (c *Client) Policies(ctx context.Context) (List[Policy], error) {
	return get[List[Policy]](ctx, c, "/policies", nil)
}

// Workflows lists the workflows that are open.
func (c *Client) Workflows(ctx context.Context) (List[Workflow], error) {
	return get[List[Workflow]](ctx, c, "/workflows", nil)
}

// OpenWorkflow opens a workflow, or says who it is assigned to now.
func (c *Client) OpenWorkflow(ctx context.Context, in Workflow) (Workflow, error) {
	return post[Workflow](ctx, c, "/workflows", in)
}

// CloseWorkflow closes a workflow; what rests on it ends.
func (c *Client) CloseWorkflow(ctx context.Context, id string) (Done, error) {
	return post[Done](ctx, c, "/workflows/"+seg(id)+"/close", nil)
}

// People lists people.
func (c *Client) People(ctx context.Context) (List[Person], error) {
	return get[List[Person]](ctx, c, "/people", nil)
}

// Invite adds a person and makes their one-time link.
func (c *Client) Invite(ctx context.Context, in Invite) (Invited, error) {
	return post[Invited](ctx, c, "/people/invite", in)
}

// Disable disables a person; everything they have ends.
func (c *Client) Disable(ctx context.Context, id string) (Done, error) {
	return post[Done](ctx, c, "/people/"+seg(id)+"/disable", nil)
}

// Doctor checks the gateway and every resource.
func (c *Client) Doctor(ctx context.Context) (List[Finding], error) {
	return get[List[Finding]](ctx, c, "/doctor", nil)
}

// Setup is what the owner of a target runs once.
func (c *Client) Setup(ctx context.Context, resource string) (Setup, error) {
	return get[Setup](ctx, c, "/resources/"+seg(resource)+"/setup", nil)
}

// ConfirmRestore says that a restored ledger is the right one.
func (c *Client) ConfirmRestore(ctx context.Context, in Decision) (Done, error) {
	return post[Done](ctx, c, "/restore/confirm", in)
}

// ConfirmClock says that the gateway's clock is right.
func (c *Client) ConfirmClock(ctx context.Context, in Decision) (Done, error) {
	return post[Done](ctx, c, "/clock/confirm", in)
}
