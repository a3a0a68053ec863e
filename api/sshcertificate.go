package api

import (
	"context"
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
)

func (s *Server) sshRoutes() {
	add(s, SignedIn, http.MethodPost, "/ssh-certificate", "Certify one's public key for SSH: it says who one is and gives no access", s.sshCertificate)
}

// sshCertificate certifies the caller's key for as long as their sign-in lives, and an
// hour at most. It ends with the token that asked for it.
func (s *Server) sshCertificate(ctx context.Context, c caller, in *struct{ Body client.WantSSH }) (*body[client.SSHCertificate], error) {
	door, ok := s.parts.Doors["ssh"]
	if !ok {
		return nil, curfew.Errorf(curfew.Unavailable, "the gateway has no door for ssh").WithRule("door.none").WithFix("an administrator opens one: curfew up --ssh ADDRESS")
	}
	text, until, err := s.parts.Identity.IssueSSH(ctx, c.who, c.token, in.Body.PublicKey)
	if err != nil {
		return nil, err
	}
	out := client.SSHCertificate{Certificate: text, Until: until, Host: door.Host, Port: door.Port, HostKey: door.CA}
	s.parts.Access.View(func(st *access.State) { out.Deployment = st.Deployment })
	return &body[client.SSHCertificate]{out}, nil
}
