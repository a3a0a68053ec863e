package access

import (
	"time"

	"github.com/curfewhq/curfew"
)

// Grant is an approved request with an end.
type Grant struct {
	ID        curfew.GrantID      `json:"id"`
	Request   curfew.RequestID    `json:"request"`
	Principal curfew.Principal    `json:"principal"`
	Role      curfew.RoleName     `json:"role"`
	Resource  curfew.ResourceName `json:"resource"`
	Policy    curfew.PolicyName   `json:"policy"`
	Workflow  curfew.WorkflowID   `json:"workflow,omitempty"`
	Record    curfew.RecordMode   `json:"record"`
	Starts    curfew.StartRule    `json:"starts"`
	Duration  time.Duration       `json:"duration"` // as approved
	Approved  time.Time           `json:"approved"`
	By        []curfew.Principal  `json:"by,omitempty"`        // who approved
	NotBefore time.Time           `json:"not_before,omitzero"` // asked start
	UseBy     time.Time           `json:"use_by"`              // lapses if its clock has not started by then
	Leased    bool                `json:"leased,omitempty"`    // an account of its own is made for it, and tested before its clock starts
	Status    GrantStatus         `json:"status"`
	Start     time.Time           `json:"start,omitzero"`
	End       time.Time           `json:"end,omitzero"`
	EndCause  curfew.Cause        `json:"end_cause,omitempty"` // what ends it at End
	Bound     string              `json:"bound,omitempty"`     // the arithmetic behind End, in words
	Tested    bool                `json:"tested"`              // a test connection went through
	Sessions  int                 `json:"sessions"`            // opened so far
	Budget    curfew.Budget       `json:"budget,omitzero"`
	Spent     curfew.Budget       `json:"spent,omitzero"` // by sessions that are over
	Cause     curfew.Cause        `json:"cause,omitempty"`
	EndedBy   curfew.Principal    `json:"ended_by,omitempty"`
	EndedAt   time.Time           `json:"ended_at,omitzero"`
	// What was approved, to the letter.
	RoleVersion     string `json:"role_version"`
	ResourceVersion string `json:"resource_version"`
	// Release is last: whoever decides whether a session may open does not look at it.
	Release curfew.Release `json:"release,omitzero"`
}

// GrantStatus is where a grant is in its life.
type GrantStatus string

// The life of a grant.
const (
	Scheduled GrantStatus = "scheduled" // approved, its clock has not started
	Active    GrantStatus = "active"
	Over      GrantStatus = "ended"
	Gone      GrantStatus = "verified" // ended, and its account was seen to be gone at the target
)
