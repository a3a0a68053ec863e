package api

import (
	"context"
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/client"
)

// asking are the routes that a sign-in from a code may use: it asks, sees how it went,
// and gives back; it opens no session, reads no recording and decides nothing.
//
//nolint:gochecknoglobals // a table
var asking = map[string]bool{
	"GET /me": true, "GET /find": true, "GET /why": true, "GET /policies": true, "GET /people": true, "GET /workflows": true,
	"GET /requests": true, "GET /requests/{id}": true, "POST /requests": true, "POST /requests/{id}/withdraw": true,
	"GET /grants": true, "GET /grants/{id}": true, "POST /grants/{id}/extend": true, "POST /grants/{id}/return": true,
	"POST /sign-out": true,
}

// signedOut has a browser forget its cookie.
type signedOut struct {
	Cookie string `header:"Set-Cookie"`
}

func (s *Server) signedInRoutes() {
	add(s, SignedIn, http.MethodGet, "/sign-ins", "List the caller's sign-ins that count: browsers and command lines", s.signIns)
	add(s, SignedIn, http.MethodPost, "/sign-ins/{id}/sign-out", "End one of the caller's sign-ins", s.signOutOf)
}

func (s *Server) signIns(ctx context.Context, c caller, _ *struct{}) (*body[client.List[client.SignInOf]], error) {
	out := client.List[client.SignInOf]{Items: []client.SignInOf{}, Position: s.parts.Access.Ledger().Head().Size}
	for _, in := range s.parts.Identity.SignIns(ctx, c.who) {
		kind := "token"
		switch {
		case in.Browser:
			kind = "browser"
		case in.Asks:
			kind = "code"
		}
		out.Items = append(out.Items, client.SignInOf{ID: in.ID, Kind: kind, Device: in.Device, Address: in.Address, Made: in.Made, Until: in.Until, Current: in.ID == c.token})
	}
	return &body[client.List[client.SignInOf]]{out}, nil
}

func (s *Server) signOutOf(ctx context.Context, c caller, in *IDIn) (*signedOut, error) {
	if err := s.parts.Identity.SignOut(ctx, c.who, in.ID); err != nil {
		if curfew.CodeOf(err) == curfew.NotFound {
			err = curfew.Errorf(curfew.NotFound, "you have no sign-in %.60q", in.ID)
		}
		return nil, err
	}
	if in.ID == c.token {
		return &signedOut{Cookie: c.forgotten()}, nil
	}
	return &signedOut{}, nil
}
