// Package policy decides who may ask for what, what it takes and why. It is
// pure: it takes now and every fact, returns every reason whether the answer is
// yes or no, and never stops at the first one.
package policy

import (
	"time"

	"github.com/curfewhq/curfew"
)

// Facts are what a decision may look at; all of it, and nothing else.
type Facts struct {
	Now       time.Time
	Principal curfew.Principal
	Kind      curfew.PrincipalKind
	Enabled   bool
	InGroup   func(curfew.Principal, curfew.GroupName) bool
	Role      curfew.Role
	Resource  curfew.Resource
	Start     time.Time        // asked start; zero: as soon as approved
	Duration  time.Duration    // asked; zero: as long as the rules allow (for "could they?")
	Reason    string           // "" fails the reason check
	Workflow  *curfew.Workflow // named in the request, as known now; nil: none named
	Freezes   []curfew.Freeze
	Holding   []curfew.RoleName // roles the principal holds now
	// Self are the principals that are the requester by another name: aliases,
	// delegates, agents, an agent's owner. What they brought about is self-declared.
	Self []curfew.Principal
	// Roles lets exclusions count both ways and through included roles; nil: only
	// those that Role itself names.
	Roles map[curfew.RoleName]curfew.Role
	// Approvers returns who may approve this need for this requester, settled and
	// enabled people only, without the requester.
	Approvers func(curfew.Policy, curfew.ApprovalNeed) []curfew.Principal
}

// Check is one condition of one policy, with the value that was seen.
type Check struct {
	Rule string `json:"rule"` // dotted, for machines: "policy.window"
	OK   bool   `json:"ok"`
	Need string `json:"need"` // "needs an open incident"
	Saw  string `json:"saw"`  // "INC-1423 closed on Tue 14:00"
	Fix  string `json:"fix,omitempty"`
}

// Verdict is what one policy says about the question.
type Verdict struct {
	Policy curfew.PolicyName `json:"policy"`
	OK     bool              `json:"ok"` // every check holds; approvals may still be needed
	Checks []Check           `json:"checks"`
	// Approvals are what it still takes, in the policy's order; empty: none.
	Approvals []Approval    `json:"approvals,omitempty"`
	Longest   time.Duration `json:"longest"` // the most this policy gives from Now (or Start) on
	// Bounds is the arithmetic behind Longest, shortest last: "2h allowed by role", "window closes 18:00".
	Bounds []Bound `json:"bounds"`
}

// Approval is one need for agreement and who could give it.
type Approval struct {
	Need curfew.ApprovalNeed `json:"need"`
	From []curfew.Principal  `json:"from"`
}

// Bound is one limit on how long a grant may last.
type Bound struct {
	What string        `json:"what"`
	For  time.Duration `json:"for"`
}

// Decision is the answer: every policy that speaks of the role, best first.
type Decision struct {
	OK       bool      `json:"ok"`
	Best     *Verdict  `json:"best,omitempty"` // the allowed verdict with the fewest approvals, then the longest
	Verdicts []Verdict `json:"verdicts"`
}
