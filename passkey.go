package curfew

import (
	"crypto/sha256"
	"encoding/json"
	"time"
)

// Passkey is a key of a person's that signs decisions: a WebAuthn credential.
type Passkey struct {
	ID        []byte    `json:"id"` // as its authenticator made it
	Principal Principal `json:"principal"`
	Key       []byte    `json:"key"`    // the public key, as COSE (RFC 9052)
	Origin    string    `json:"origin"` // the one whose pages may use it: the console's
	RP        string    `json:"rp"`     // the WebAuthn RP ID: the origin's host
}

// Touch is what an authenticator said over a Record when its owner touched it.
type Touch struct {
	Passkey       []byte `json:"passkey"`     // its identifier
	Record        []byte `json:"record"`      // canonical; its SHA-256 is the challenge
	ClientData    []byte `json:"client_data"` // clientDataJSON, as the browser made it
	Authenticator []byte `json:"authenticator"`
	Signature     []byte `json:"signature"`
}

// Act is the word of what a touch decides.
type Act string

// The acts that are kept with their touch.
const (
	ActApprove       Act = "approve"
	ActDeny          Act = "deny"
	ActRelease       Act = "release"
	ActRefuse        Act = "refuse"
	ActAgree         Act = "agree"
	ActAddPasskey    Act = "add passkey"
	ActRemovePasskey Act = "remove passkey"
)

// ActSignIn is the act of a touch that only says who somebody is; the ledger has none.
const ActSignIn Act = "sign in"

// ActProve is the act of a touch for what takes a passphrase from others: it is bound to
// what is done, and is not kept.
const ActProve Act = "prove"

// recordDomain keeps records apart from everything else that is ever signed.
const recordDomain = "curfew decision v1"

// Record is everything that one person decides with one touch (THREATS 4). Fields are
// only added with another domain, because what is signed never changes.
type Record struct {
	Domain     string    `json:"domain"`
	Deployment string    `json:"deployment"`
	Genesis    []byte    `json:"genesis"` // the key of the deployment's first node
	Act        Act       `json:"act"`
	Approver   Principal `json:"approver"`
	Requester  Principal `json:"requester"`
	Subject    string    `json:"subject"` // the request, statement, plan or passkey
	Event      []byte    `json:"event"`   // RFC 6962 hash of the event that asks; of a passkey: SHA-256 of its public key
	Shown      []byte    `json:"shown"`   // digest of what was shown

	Role            RoleName      `json:"role"`
	RoleVersion     string        `json:"role_version"`
	May             []string      `json:"may"` // compiled: the role's lines and those of all it includes
	Never           []string      `json:"never"`
	Resource        ResourceName  `json:"resource"`
	ResourceVersion string        `json:"resource_version"`
	Address         string        `json:"address"`
	Options         string        `json:"options"` // with what the engine knows the target by: certificate authority, host key
	Account         AccountKind   `json:"account"`
	Start           time.Time     `json:"start"`    // zero: at once
	Duration        time.Duration `json:"duration"` // that is agreed to
	Ends            string        `json:"ends"`     // what may end it earlier
	Policy          PolicyName    `json:"policy"`
	PolicyVersion   string        `json:"policy_version"`
	Facts           []string      `json:"facts"` // what the policy saw
	Workflow        WorkflowID    `json:"workflow"`
	WorkflowOpen    bool          `json:"workflow_open"`
	Statement       []byte        `json:"statement"` // of a release: the digest of the statement

	Nonce    []byte    `json:"nonce"`
	Expires  time.Time `json:"expires"`
	HeadSize uint64    `json:"head_size"` // the newest tree head: whoever signs this is its witness
	HeadRoot []byte    `json:"head_root"`
}

// Canonical is the one encoding of a record.
func (r Record) Canonical() []byte {
	r.Domain = recordDomain
	text, _ := json.Marshal(r) // strings, times and numbers always marshal
	return text
}

// ParseRecord reads a record that is written in the one way.
func ParseRecord(text []byte) (r Record, ok bool) {
	if json.Unmarshal(text, &r) != nil || r.Domain != recordDomain {
		return r, false
	}
	return r, string(r.Canonical()) == string(text)
}

// Challenge is what an authenticator is given to sign: SHA-256 of the record.
func Challenge(record []byte) []byte {
	sum := sha256.Sum256(record)
	return sum[:]
}

// EndsOf says what may end a grant before its time is over.
func EndsOf(r RequestAsked) string {
	ends := "its time or its hours"
	if r.Workflow != "" {
		ends += ", or its workflow's end"
	}
	if r.Extends != "" {
		ends += "; more time for " + string(r.Extends)
	}
	return ends
}
