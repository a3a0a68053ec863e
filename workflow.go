package curfew

import "time"

// WorkflowKind is what kind of ongoing work ties access to a context.
type WorkflowKind string

// The kinds of workflow.
const (
	Incident    WorkflowKind = "incident"
	Maintenance WorkflowKind = "maintenance"
	Change      WorkflowKind = "change"
	Ticket      WorkflowKind = "ticket"
	Deploy      WorkflowKind = "deploy"
	Debugging   WorkflowKind = "debugging"
)

// WorkflowKinds lists every kind.
func WorkflowKinds() []WorkflowKind {
	return []WorkflowKind{Incident, Maintenance, Change, Ticket, Deploy, Debugging}
}

// Workflow is an incident, maintenance, change, ticket, deploy or debugging
// session. Unknown state means closed.
type Workflow struct {
	ID       WorkflowID   `json:"id"`
	Kind     WorkflowKind `json:"kind"`
	Title    string       `json:"title,omitempty"`
	Open     bool         `json:"open"`
	Assignee Principal    `json:"assignee,omitempty"`
	// Actors are all who brought about what it says now: opened, assigned,
	// reopened. An empty Principal among them is somebody unknown.
	Actors   []Principal    `json:"actors,omitempty"`
	Resource []ResourceName `json:"resources,omitempty"` // empty: any resource
	OpenedAt time.Time      `json:"opened_at"`
	ClosedAt time.Time      `json:"closed_at,omitzero"`
}
