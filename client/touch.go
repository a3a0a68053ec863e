package client

import (
	"context"
	"time"
)

// Passkey is one of the caller's passkeys.
type Passkey struct {
	ID     string    `json:"id" doc:"base64url, without padding"`
	Origin string    `json:"origin" doc:"The console that it was made at"`
	Added  time.Time `json:"added"`
}

// PasskeyAsk begins to make a passkey.
type PasskeyAsk struct {
	Passphrase string `json:"passphrase,omitempty" doc:"For the first one. A further one takes the touch of one that is there"`
}

// PasskeyMaking is what a browser needs to make one.
type PasskeyMaking struct {
	Ticket    string   `json:"ticket"`
	Challenge []byte   `json:"challenge"`
	Known     [][]byte `json:"known" doc:"Passkeys of the caller, which it does not make again"`
	RP        string   `json:"rp" doc:"The WebAuthn RP ID"`
	User      []byte   `json:"user" doc:"What the authenticator knows the person by"`
	Name      string   `json:"name"`
	Display   string   `json:"display"`
}

// PasskeyMade is what a browser has made.
type PasskeyMade struct {
	Ticket      string `json:"ticket" maxLength:"100"`
	ClientData  []byte `json:"client_data"`
	Attestation []byte `json:"attestation"`
}

// PasskeyAdded says that it counts, or that the touch of another one is waited for.
type PasskeyAdded struct {
	Passkey *Passkey `json:"passkey,omitempty"`
	Touch   *Touch   `json:"touch,omitempty"`
}

// TouchAsk says what is to be done by the touch of a passkey: a change of this API,
// with the body that it has by passphrase.
type TouchAsk struct {
	Path string `json:"path" maxLength:"200" example:"/requests/req_1/approve"`
	Body any    `json:"body,omitempty"`
}

// Touch is something that waits for its owner's touch, in their browser.
type Touch struct {
	ID     string    `json:"id"`
	Path   string    `json:"path"`
	Status string    `json:"status" enum:"waiting,done,failed"`
	Title  string    `json:"title" doc:"What is done by it"`
	Lines  []string  `json:"lines" doc:"All of it, in words"`
	By     string    `json:"by,omitempty" doc:"Which of the caller's sign-ins asked: what it calls itself, and where it is"`
	Page   string    `json:"page" doc:"Where it is touched"`
	Asked  time.Time `json:"asked"`
	Until  time.Time `json:"until"`
	Result any       `json:"result,omitempty" doc:"When it is done: what the change answered"`
	Fault  *Fault    `json:"fault,omitempty" doc:"When it failed"`
}

// TouchChallenge is what a browser hands to the authenticator.
type TouchChallenge struct {
	Challenge []byte   `json:"challenge" doc:"SHA-256 of the record"`
	Record    []byte   `json:"record" doc:"All of what is signed"`
	Passkeys  [][]byte `json:"passkeys" doc:"Of which one is touched; none: any"`
	RP        string   `json:"rp" doc:"The WebAuthn RP ID"`
}

// Touched is what the authenticator said.
type Touched struct {
	Passkey       []byte `json:"passkey"`
	ClientData    []byte `json:"client_data"`
	Authenticator []byte `json:"authenticator"`
	Signature     []byte `json:"signature"`
}

// Passkeys lists the caller's passkeys.
func (c *Client) Passkeys(ctx context.Context) (List[Passkey], error) {
	return get[List[Passkey]](ctx, c, "/passkeys", nil)
}

// AskTouch has something wait for the caller's touch.
func (c *Client) AskTouch(ctx context.Context, in TouchAsk) (Touch, error) {
	return post[Touch](ctx, c, "/touches", in)
}

// TouchState says how it stands.
func (c *Client) TouchState(ctx context.Context, id string) (Touch, error) {
	return get[Touch](ctx, c, "/touches/"+seg(id), nil)
}

// DropTouch takes it back.
func (c *Client) DropTouch(ctx context.Context, id string) (Touch, error) {
	return post[Touch](ctx, c, "/touches/"+seg(id)+"/drop", nil)
}
