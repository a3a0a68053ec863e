package gateway

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// introductionBound is how long a token about somebody is good for.
const introductionBound = time.Minute

// introduction is what a token says.
type introduction struct {
	Issuer   string           `json:"iss"`
	Audience string           `json:"aud"` // the resource
	Subject  curfew.Principal `json:"sub"`
	Email    string           `json:"email,omitempty"`
	Name     string           `json:"name,omitempty"`
	Role     curfew.RoleName  `json:"role"`
	Grant    curfew.GrantID   `json:"grant"`
	Session  curfew.SessionID `json:"session"`
	Issued   int64            `json:"iat"` // Unix seconds
	Expires  int64            `json:"exp"`
}

// Introduce says to an application who holds a permit.
func (g *Gateway) Introduce(ctx context.Context, p *access.Permit) (string, error) {
	if g.parts.Introductions == nil {
		return "", nil
	}
	now := g.parts.Access.Now()
	until := now.Add(introductionBound)
	if p.End().Before(until) {
		until = p.End()
	}
	grant := p.Grant()
	return g.sign(introduction{
		Issuer: "curfew:" + g.parts.Deployment, Audience: string(p.Resource().Name), Subject: grant.Principal,
		Email: g.parts.Identity.Email(ctx, grant.Principal), Name: g.parts.Identity.Name(ctx, grant.Principal),
		Role: grant.Role, Grant: grant.ID, Session: p.Session(), Issued: now.Unix(), Expires: until.Unix(),
	})
}

// Counts says whether a credential that is shown again is still worth something.
func (g *Gateway) Counts(ctx context.Context, id curfew.CredentialID) error {
	cred, err := g.parts.Identity.Credential(ctx, id)
	if err != nil {
		return err
	}
	a := g.parts.Access
	now := a.Now()
	a.View(func(st *access.State) { err = st.Counts(cred, now) })
	if err == nil && a.Withdrawn(cred.Principal, "") {
		err = curfew.Errorf(curfew.NotSignedIn, "this credential was withdrawn").WithRule("credential.withdrawn")
	}
	return err
}

func (g *Gateway) sign(says introduction) (string, error) {
	head, err1 := json.Marshal(map[string]string{"alg": "EdDSA", "typ": "JWT", "kid": g.keyID()})
	text, err2 := json.Marshal(says)
	if err1 != nil || err2 != nil {
		return "", curfew.Errorf(curfew.Internal, "write an introduction")
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString(head) + "." + enc.EncodeToString(text)
	return signed + "." + enc.EncodeToString(ed25519.Sign(g.parts.Introductions, []byte(signed))), nil
}

func (g *Gateway) public() ed25519.PublicKey {
	return g.parts.Introductions.Public().(ed25519.PublicKey) //nolint:errcheck // it is what an ed25519.PrivateKey returns
}

func (g *Gateway) keyID() string {
	sum := sha256.Sum256(g.public())
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// Keys is what introductions are checked with (RFC 8037).
func (g *Gateway) Keys() []byte {
	keys := []map[string]string{}
	if g.parts.Introductions != nil {
		keys = append(keys, map[string]string{
			"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": g.keyID(), "x": base64.RawURLEncoding.EncodeToString(g.public()),
		})
	}
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		return []byte(`{"keys":[]}`)
	}
	return b
}
