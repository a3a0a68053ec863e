package curfew

import "time"

// Policy says who may ask for which roles, under which conditions, for how
// long, and who must agree.
type Policy struct {
	Name  PolicyName `json:"name"`
	Who   []Subject  `json:"who"`
	Roles []RoleName `json:"may_have"`
	// Hours are the windows, in the text package schedule reads; empty means at
	// any time. Being inside one of them is enough.
	Hours []string `json:"hours,omitempty"`
	// DuringFreezes lets the policy stay open during the configuration's freezes,
	// which otherwise close it ("freezes: allowed").
	DuringFreezes bool             `json:"during_freezes,omitempty"`
	Workflows     []WorkflowNeed   `json:"workflows,omitempty"` // each must be met
	Approvals     []ApprovalNeed   `json:"approvals,omitempty"` // each must be met, each by people of its own
	AtMost        time.Duration    `json:"at_most,omitempty"`   // zero: the role's longest
	AnswerWithin  time.Duration    `json:"answer_within"`       // a request lapses after this
	UseWithin     time.Duration    `json:"use_within"`          // an approved grant that nobody used lapses after this
	Starts        StartRule        `json:"starts"`
	Record        RecordMode       `json:"record"`
	Extensions    ExtensionsPolicy `json:"extensions,omitempty"`
	Budget        Budget           `json:"budget,omitzero"` // of each grant, over all its sessions
	Release       Release          `json:"release,omitzero"`
	Risk          Risk             `json:"risk,omitempty"`
}

// Risk says how dangerous what a policy gives is, in the word of whoever wrote it.
type Risk string

// The risks; the zero value says nothing.
const (
	LowRisk    Risk = "low"
	MediumRisk Risk = "medium"
	// HighRisk lets a grant that people approved start only once Undo has passed: an
	// approval that is taken back in that time has given nothing (THREATS 24).
	HighRisk Risk = "high"
)

// Undo is how long an approval can be taken back before a grant of high risk starts.
const Undo = 10 * time.Second

// Budget bounds what may be done under a grant; zero: no bound. As what was spent,
// it counts.
type Budget struct {
	Statements int64 `json:"statements,omitempty"`
	Rows       int64 `json:"rows,omitempty"`  // returned, and changed where the target says how many
	Bytes      int64 `json:"bytes,omitempty"` // of all that the target answers, and of copies to it
}

// Some reports whether anything is bounded.
func (b Budget) Some() bool { return b != Budget{} }

// ExtensionsPolicy says whether a live grant may be made longer.
type ExtensionsPolicy string

// NoExtensions refuses extensions; the zero value allows them, decided as a request.
const NoExtensions ExtensionsPolicy = "none"

// StartRule says when a grant's clock starts.
type StartRule string

// The start rules.
const (
	AtApproval StartRule = "approval"
	AtFirstUse StartRule = "first use"
)

// RecordMode says when an item counts as recorded (DESIGN.md 8).
type RecordMode string

// The record modes.
const (
	RecordLive  RecordMode = "live"  // queued before it is sent, durable within 50 ms
	RecordFirst RecordMode = "first" // durable before it is sent
	// RecordResults is live, and what the target answers is recorded too, within limits.
	RecordResults RecordMode = "results"
	// RecordFirstResults is first, with results.
	RecordFirstResults RecordMode = "first, results"
)

// First reports whether items are durable before what they speak of is sent.
func (m RecordMode) First() bool { return m == RecordFirst || m == RecordFirstResults }

// Results reports whether what the target answers is recorded.
func (m RecordMode) Results() bool { return m == RecordResults || m == RecordFirstResults }

// Subject is a person or everybody in a group; exactly one is set.
type Subject struct {
	Principal Principal `json:"principal,omitempty"`
	Group     GroupName `json:"group,omitempty"`
}

// WorkflowNeed asks for a workflow that is open now.
type WorkflowNeed struct {
	Kind WorkflowKind `json:"kind"`
	// AssignedToRequester asks that the requester is the assignee.
	AssignedToRequester bool `json:"assigned_to_requester,omitempty"`
	// AcceptSelfDeclared lets a workflow count that the requester, or nobody
	// known, opened or assigned. Without it somebody else must have, unless the
	// policy asks for another person's approval as well (THREATS 9).
	AcceptSelfDeclared bool `json:"accept_self_declared,omitempty"`
}

// ApprovalNeed asks for Count distinct people out of From. The requester, their
// aliases and machines never count.
type ApprovalNeed struct {
	Count   int       `json:"count"`
	From    []Subject `json:"from,omitempty"`
	Manager bool      `json:"manager,omitempty"` // the requester's manager may approve
	Peer    bool      `json:"peer,omitempty"`    // anybody of the policy's Who may approve
}

// Freeze is a time in which policies are closed unless they say otherwise.
type Freeze struct {
	Name string    `json:"name"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Settings are the deployment's own rules.
type Settings struct {
	// Settle is how old a relation (membership, manager) must be before an
	// approval that rests on it counts (THREATS 3).
	Settle time.Duration `json:"settle"`
}

// Retention says how long things are kept; zero: for ever.
type Retention struct {
	// Recordings, since their session's end. A shorter one never acts on what was
	// recorded under a longer one (docs/decisions/0013).
	Recordings time.Duration `json:"recordings,omitempty"`
}

// Config is everything a configuration file says, resolved: e-mail addresses
// have become principals.
type Config struct {
	Settings  Settings                  `json:"settings"`
	Retention Retention                 `json:"retention,omitzero"`
	Groups    map[GroupName][]Principal `json:"groups,omitempty"`
	Managers  map[Principal]Principal   `json:"managers,omitempty"`
	Resources map[ResourceName]Resource `json:"resources,omitempty"`
	Roles     map[RoleName]Role         `json:"roles,omitempty"`
	Policies  map[PolicyName]Policy     `json:"policies,omitempty"`
	Freezes   map[string]Freeze         `json:"freezes,omitempty"`
}

// Durations that no configuration may exceed.
const (
	// LongestGrant bounds any grant: there is no value that means "never".
	LongestGrant = 30 * 24 * time.Hour
	// LongestWait bounds how long a request may wait for an answer or a grant for its first use.
	LongestWait = 14 * 24 * time.Hour
)

// WholeSeconds rounds a duration down to seconds and refuses what is then not
// positive or longer than most.
func WholeSeconds(d, most time.Duration) (time.Duration, error) {
	s := d.Truncate(time.Second)
	if s <= 0 {
		return 0, Errorf(Invalid, "the duration %s is shorter than a second", d).WithFix("say how long, for example 45m or 2h")
	}
	if s > most {
		return 0, Errorf(Invalid, "the duration %s is longer than the most that is possible, %s", d, most)
	}
	return s, nil
}
