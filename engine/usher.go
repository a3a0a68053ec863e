package engine

import (
	"context"
	"time"

	"github.com/curfewhq/curfew"
)

// Usher is a Gatekeeper that lets people's browsers in, at applications that have
// origins of their own: by a cookie of that application alone, made out of a one-time
// code from the console. It never shows the console's own cookie to anybody.
type Usher interface {
	// Named is the application that a host's name, as a request says it, is of. Where
	// browsers is false, the name serves clients with credentials only. A name that is
	// none of ours is not ok.
	Named(host string) (app curfew.ResourceName, browsers, ok bool)
	// SignIn is where a browser goes that is nobody's here. challenge is the S256
	// digest of what it keeps; to is the path that it wanted.
	SignIn(app curfew.ResourceName, challenge, to string) string
	// Ask is where somebody goes who is signed in and has no access.
	Ask(app curfew.ResourceName, to string) string
	// Enter turns a code, and what the browser kept, into a cookie of the application.
	Enter(ctx context.Context, app curfew.ResourceName, code, verifier string) (cookie string, until time.Time, err error)
	// Visit says whose browser a cookie is: curfew.NotSignedIn where it is nobody's.
	Visit(ctx context.Context, app curfew.ResourceName, cookie string) (Visit, error)
	// Leave makes a cookie worthless.
	Leave(ctx context.Context, app curfew.ResourceName, cookie string) error
}

// Visit is somebody's browser at an application.
type Visit struct {
	Credential curfew.CredentialID
	Principal  curfew.Principal
	Name       string
	Grant      curfew.GrantID // live, of the application, the one that was approved last; "" if there is none
	Role       curfew.RoleName
	Until      time.Time // of the grant; zero where its clock does not run yet
}
