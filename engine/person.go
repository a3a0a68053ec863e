package engine

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/session"
)

// Person is somebody who has shown who they are, and nothing else: what they may
// reach is decided each time by what has been granted.
type Person struct {
	Principal  curfew.Principal
	SignIn     string    // the sign-in that it comes from; withdrawn with it
	Generation uint64    // of the person, then
	Until      time.Time // of the sign-in
}

// Path is a way for a person to a resource: a grant that lives, or a role that they
// may ask for now.
type Path struct {
	Role       curfew.RoleName
	Resource   curfew.ResourceName
	Grant      curfew.GrantID // "": it has to be asked for
	Permission curfew.Permission
	Longest    time.Duration     // that may be asked for
	Workflow   curfew.WorkflowID // that is named in asking
	Alone      bool              // nobody has to agree
}

// Question is what a person says when they ask.
type Question struct {
	For    time.Duration
	Reason string
}

// Recognizer is a Gatekeeper that knows people by certificates of its own, for
// protocols whose clients have them.
type Recognizer interface {
	// Recognize says whose certificate it is, in the form of the protocol, shown from an
	// address. That the client has its key is the engine's to prove, afterwards. Whatever
	// is wrong with it sounds the same.
	Recognize(ctx context.Context, certificate []byte, from string) (Person, error)
	// Paths lists a person's ways to a resource that the engine speaks with: grants that
	// live, or else what may be asked for. For a resource that does not exist there is none.
	Paths(p Person, on curfew.ResourceName) (held, open []Path)
	// Reaches lists the resources of the engine's that a person has any way to.
	Reaches(p Person) []curfew.ResourceName
	// OpenAs opens a session by a path; one that has to be asked for is asked for first,
	// as a person does by hand, and w is kept waiting for the answer.
	OpenAs(ctx context.Context, p Person, by Path, q Question, claim access.Claim, w Waiter) (*session.Session, error)
}
