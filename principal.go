package curfew

// PrincipalKind says what a principal is. A machine is never an approver.
type PrincipalKind string

// The kinds of principal.
const (
	Person  PrincipalKind = "person"
	Service PrincipalKind = "service"
	Agent   PrincipalKind = "agent" // always has a human owner
)

// Built-in groups. Their members are named by first sign-in and by
// configuration; both need a second person (THREATS 3).
const (
	// Administrators may propose and agree to changes, invite people, open and close workflows.
	Administrators GroupName = "administrators"
	// Auditors may look at everything and connect to nothing.
	Auditors GroupName = "auditors"
)
