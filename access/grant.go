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
	By        []curfew.Principal  `json:"by,omitempty"` // who approved
	Status    GrantStatus         `json:"status"`
	Start     time.Time           `json:"start,omitzero"`
	End       time.Time           `json:"end,omitzero"`
	Cause     curfew.Cause        `json:"cause,omitempty"`
	EndedBy   curfew.Principal    `json:"ended_by,omitempty"`
	EndedWhy  string              `json:"-"` // sealed in the ledger
	EndedAt   time.Time           `json:"ended_at,omitzero"`
	Verified  time.Time           `json:"verified,omitzero"` // when its account was seen to be gone
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
