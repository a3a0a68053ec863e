package access

import (
	"maps"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
)

// foldVersion changes whenever the meaning of a State's fields does; a snapshot
// of another version is not read.
const foldVersion = 5

// State is the fold of the ledger: nothing but what the events say. It asks no
// time and does no I/O. Ended grants leave it once nothing is left of them.
type State struct {
	Size       uint64    `json:"size"` // events folded
	Now        time.Time `json:"now"`  // time of the newest event
	Deployment string    `json:"deployment"`
	Genesis    []byte    `json:"genesis,omitempty"` // the key of the first node

	People    map[curfew.Principal]*Person                        `json:"people"`
	Config    curfew.Config                                       `json:"config"`
	Version   string                                              `json:"version"` // of the configuration
	Since     map[curfew.GroupName]map[curfew.Principal]time.Time `json:"since"`   // membership, since when; zero: settled from the start
	Managed   map[curfew.Principal]time.Time                      `json:"managed"` // manager relation, since when
	Plans     map[curfew.PlanID]*Proposal                         `json:"plans"`
	Workflows map[curfew.WorkflowID]*curfew.Workflow              `json:"workflows"`

	Requests map[curfew.RequestID]*Request `json:"requests"` // pending only
	Grants   map[curfew.GrantID]*Grant     `json:"grants"`
	Sessions map[curfew.SessionID]*Session `json:"sessions"` // live only
	Leases   map[curfew.LeaseID]*Lease     `json:"leases"`   // until verified
	Held     map[curfew.StatementID]*Held  `json:"held"`     // statements that wait for a release

	Tokens      map[string]Listed           `json:"tokens"`
	Links       map[string]Listed           `json:"links"`
	Passphrases map[curfew.Principal]Listed `json:"passphrases"`
	// Passkeys are those that were ever added, by identifier: one that was removed never comes back.
	Passkeys map[string]*Passkey `json:"passkeys,omitempty"`
	// Used are single-use connection credentials that have been used, until they are over anyway.
	Used map[curfew.CredentialID]time.Time `json:"used"`

	// Asked are the credentials whose connections have asked, until they are over: each asks once.
	Asked map[curfew.CredentialID]Asked `json:"asked"`
	// Denied is when somebody last said no to a person, for a role on a resource; kept
	// for as long as a credential from before it may live.
	Denied map[string]time.Time `json:"denied"`
	// Holds keep recordings from being removed: by session, who holds it.
	Holds map[curfew.SessionID]map[curfew.Principal]RecordingHold `json:"holds,omitempty"`
	// Promises are the retentions that were ever in force, oldest first; before the
	// first, recordings were to be kept for ever.
	Promises []Promise `json:"promises,omitempty"`

	ClockStepped bool `json:"clock_stepped,omitempty"`
	// Restored says that the ledger was restored, and nothing is given until
	// administrators have confirmed it; Confirmed are those who have.
	Restored  bool               `json:"restored,omitempty"`
	Confirmed []curfew.Principal `json:"confirmed,omitempty"`

	proved   bool      // whoever's command is decided has been found to be allowed to
	compiled *compiled // of Config; rebuilt after every change of it
	byHolder map[curfew.Principal]map[curfew.GrantID]*Grant
	leaseOf  map[curfew.GrantID]*Lease
}

// Person is a principal as the ledger knows it. Text about them is sealed.
type Person struct {
	ID         curfew.Principal     `json:"id"`
	Kind       curfew.PrincipalKind `json:"kind"`
	Name       curfew.Sealed        `json:"name,omitempty"`
	Email      curfew.Sealed        `json:"email,omitempty"`
	EmailTag   []byte               `json:"email_tag,omitempty"`
	Enabled    bool                 `json:"enabled"`
	Joined     bool                 `json:"joined"` // has signed in once
	Added      time.Time            `json:"added"`
	Generation uint64               `json:"generation"` // raised by signing out everywhere: older credentials do not open
}

// Listed is a shelf row that counts.
type Listed struct {
	Principal curfew.Principal `json:"principal"`
	Digest    []byte           `json:"digest"`
	Until     time.Time        `json:"until,omitzero"`
	Name      string           `json:"name,omitempty"` // of the row, where it is not what it is listed by
}

// Proposal is a change of configuration that waits for a second person.
type Proposal struct {
	curfew.PlanProposed
	At   time.Time `json:"at"`
	Hash []byte    `json:"hash,omitempty"` // of its event
}

// Request is a pending request.
type Request struct {
	curfew.RequestAsked
	At    time.Time `json:"at"`
	Hash  []byte    `json:"hash,omitempty"` // of its event
	Votes []Vote    `json:"votes,omitempty"`
}

// Vote is one approval; a denial ends the request at once.
type Vote struct {
	By  curfew.Principal `json:"by"`
	At  time.Time        `json:"at"`
	For time.Duration    `json:"for"`
	// Touched says that it was by a passkey, and not by a passphrase.
	Touched bool `json:"touched,omitempty"`
}

// Session is a live session.
type Session struct {
	ID        curfew.SessionID    `json:"id"`
	Grant     curfew.GrantID      `json:"grant"`
	Principal curfew.Principal    `json:"principal"`
	Resource  curfew.ResourceName `json:"resource"`
	Opened    time.Time           `json:"opened"`
	Client    string              `json:"client"`
	Program   string              `json:"program"`
}

// Lease is a temporary account, from before it is made until it is seen to be gone.
type Lease struct {
	curfew.LeasePlanned
	Made    *curfew.LeaseMade `json:"made,omitempty"`
	Refused string            `json:"refused,omitempty"`
	Stuck   string            `json:"stuck,omitempty"`
	Ended   time.Time         `json:"ended,omitzero"` // when its grant ended; zero: it is needed
}

// NewState returns the state before the first event.
func NewState() *State {
	st := &State{
		People: map[curfew.Principal]*Person{}, Since: map[curfew.GroupName]map[curfew.Principal]time.Time{},
		Managed: map[curfew.Principal]time.Time{}, Plans: map[curfew.PlanID]*Proposal{},
		Workflows: map[curfew.WorkflowID]*curfew.Workflow{}, Requests: map[curfew.RequestID]*Request{},
		Grants: map[curfew.GrantID]*Grant{}, Sessions: map[curfew.SessionID]*Session{}, Leases: map[curfew.LeaseID]*Lease{}, Held: map[curfew.StatementID]*Held{},
		Tokens: map[string]Listed{}, Links: map[string]Listed{}, Passphrases: map[curfew.Principal]Listed{}, Passkeys: map[string]*Passkey{},
		Used: map[curfew.CredentialID]time.Time{}, Asked: map[curfew.CredentialID]Asked{}, Denied: map[string]time.Time{},
		Holds: map[curfew.SessionID]map[curfew.Principal]RecordingHold{}, Config: emptyConfig(),
	}
	st.index()
	return st
}

func emptyConfig() curfew.Config {
	return curfew.Config{
		Settings: curfew.Settings{Settle: 24 * time.Hour},
		Groups:   map[curfew.GroupName][]curfew.Principal{}, Managers: map[curfew.Principal]curfew.Principal{},
		Resources: map[curfew.ResourceName]curfew.Resource{}, Roles: map[curfew.RoleName]curfew.Role{},
		Policies: map[curfew.PolicyName]curfew.Policy{}, Freezes: map[string]curfew.Freeze{},
	}
}

// index rebuilds what is derived from the rest.
func (st *State) index() {
	st.byHolder = map[curfew.Principal]map[curfew.GrantID]*Grant{}
	for _, g := range st.Grants {
		st.hold(g)
	}
	st.leaseOf = map[curfew.GrantID]*Lease{}
	for _, l := range st.Leases {
		st.leaseOf[l.Grant] = l
	}
	st.compiled = nil
}

func (st *State) hold(g *Grant) {
	m := st.byHolder[g.Principal]
	if m == nil {
		m = map[curfew.GrantID]*Grant{}
		st.byHolder[g.Principal] = m
	}
	m[g.ID] = g
}

func (st *State) forget(g *Grant) {
	delete(st.Grants, g.ID)
	if m := st.byHolder[g.Principal]; m != nil {
		delete(m, g.ID)
		if len(m) == 0 {
			delete(st.byHolder, g.Principal)
		}
	}
}

// LeaseOf returns the lease of a grant, nil if it has none.
func (st *State) LeaseOf(g curfew.GrantID) *Lease { return st.leaseOf[g] }

// GrantsOf returns a principal's grants that are not over, by identifier.
func (st *State) GrantsOf(p curfew.Principal) []*Grant {
	var out []*Grant
	for _, g := range st.byHolder[p] {
		if g.Live() {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b *Grant) int { return a.Approved.Compare(b.Approved) })
	return out
}

// Live reports whether the grant is scheduled or active.
func (g *Grant) Live() bool { return g.Status == Scheduled || g.Status == Active }

// InGroup reports whether a principal is a member.
func (st *State) InGroup(p curfew.Principal, g curfew.GroupName) bool {
	_, ok := st.Since[g][p]
	return ok
}

// GroupsOf lists the groups of a principal, sorted.
func (st *State) GroupsOf(p curfew.Principal) []curfew.GroupName {
	var out []curfew.GroupName
	for g, m := range st.Since {
		if _, ok := m[p]; ok {
			out = append(out, g)
		}
	}
	slices.Sort(out)
	return out
}

// Enabled reports whether the principal is known and not disabled.
func (st *State) Enabled(p curfew.Principal) bool {
	q := st.People[p]
	return q != nil && q.Enabled
}

// Bootstrap reports whether there are not two administrators yet who have
// signed in. Until then one person may change everything, and everything says so.
func (st *State) Bootstrap() bool {
	n := 0
	for p := range st.Since[curfew.Administrators] {
		if q := st.People[p]; q != nil && q.Enabled && q.Joined {
			n++
		}
	}
	return n < 2
}

// ByEmailTag finds the principal with the keyed digest of an address.
func (st *State) ByEmailTag(tag []byte) (curfew.Principal, bool) {
	for id, p := range st.People {
		if string(p.EmailTag) == string(tag) {
			return id, true
		}
	}
	return "", false
}

// freezes lists the configuration's freezes in a fixed order.
func (st *State) freezes() []curfew.Freeze {
	out := make([]curfew.Freeze, 0, len(st.Config.Freezes))
	for _, name := range slices.Sorted(maps.Keys(st.Config.Freezes)) {
		out = append(out, st.Config.Freezes[name])
	}
	return out
}
