package passkey_test

import (
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/passkey"
	"github.com/curfewhq/curfew/passkey/passkeytest"
)

func TestWhatIsCheckedOfATouch(t *testing.T) {
	record := curfew.Record{Act: curfew.ActApprove}.Canonical()
	for name, made := range map[string]func(curfew.Principal, string) *passkeytest.Authenticator{"ES256": passkeytest.New, "EdDSA": passkeytest.NewEdDSA} {
		a := made("p_dana", "https://curfew.example:8443")
		if err := passkey.Verify(a.Passkey, *a.Touch(record)); err != nil {
			t.Fatalf("%s: an honest touch: %v", name, err)
		}
		for want, lie := range map[string]func(*passkeytest.Said){
			"challenge":      func(s *passkeytest.Said) { s.Challenge = curfew.Challenge([]byte("another")) },
			"type":           func(s *passkeytest.Said) { s.Type = "webauthn.create" },
			"another origin": func(s *passkeytest.Said) { s.Origin = "https://curfew.example.evil" },
			"somebody else":  func(s *passkeytest.Said) { s.CrossOrigin = true },
			"rpIdHash":       func(s *passkeytest.Said) { s.RP = "evil.example" },
			"present":        func(s *passkeytest.Said) { s.Flags = passkeytest.Verified },
			"not verified":   func(s *passkeytest.Said) { s.Flags = passkeytest.Present },
		} {
			if err := passkey.Verify(a.Passkey, *a.Touch(record, lie)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %s: %v", name, want, err)
			}
		}
		for part, change := range map[string]func(*curfew.Touch){
			"the record":             func(x *curfew.Touch) { x.Record = curfew.Record{Act: curfew.ActDeny}.Canonical() },
			"the authenticator data": func(x *curfew.Touch) { x.Authenticator[36]++ }, // the counter: nothing but the signature tells
			"what the browser said":  func(x *curfew.Touch) { x.ClientData = append(x.ClientData, ' ') },
			"the signature":          func(x *curfew.Touch) { x.Signature[len(x.Signature)-1] ^= 1 },
			"the passkey":            func(x *curfew.Touch) { x.Passkey = []byte("another") },
			"no signature":           func(x *curfew.Touch) { x.Signature = nil },
			"no data":                func(x *curfew.Touch) { x.Authenticator = nil },
		} {
			x := *a.Touch(record)
			change(&x)
			if passkey.Verify(a.Passkey, x) == nil {
				t.Errorf("%s: %s was changed, and it went through", name, part)
			}
		}
		other := made("p_dana", a.Passkey.Origin)
		forged := *other.Touch(record)
		forged.Passkey = a.Passkey.ID
		if passkey.Verify(a.Passkey, forged) == nil {
			t.Errorf("%s: another key's signature went through", name)
		}
	}
}

func TestWhatIsNoPasskey(t *testing.T) {
	good := passkeytest.New("p_dana", "https://curfew.example").Passkey
	if err := passkey.Check(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*curfew.Passkey){
		"no identifier":     func(p *curfew.Passkey) { p.ID = nil },
		"a long identifier": func(p *curfew.Passkey) { p.ID = make([]byte, 1024) },
		"no key":            func(p *curfew.Passkey) { p.Key = nil },
		"half a key":        func(p *curfew.Passkey) { p.Key = p.Key[:40] },
		"a point off the curve": func(p *curfew.Passkey) {
			p.Key = append([]byte{}, p.Key...)
			p.Key[20] ^= 1
		},
		"another site":        func(p *curfew.Passkey) { p.RP = "evil.example" },
		"an origin with path": func(p *curfew.Passkey) { p.Origin += "/x" },
		"a script's origin":   func(p *curfew.Passkey) { p.Origin = "javascript://curfew.example" },
	} {
		p := good
		change(&p)
		if passkey.Check(p) == nil {
			t.Errorf("%s is taken for a passkey", name)
		}
	}
}

func TestWhatABrowserMakes(t *testing.T) {
	challenge := []byte("a challenge of thirty-two bytes.")
	for name, made := range map[string]func(curfew.Principal, string) *passkeytest.Authenticator{"ES256": passkeytest.New, "EdDSA": passkeytest.NewEdDSA} {
		a := made("p_dana", "http://curfew.localhost:7080")
		client, attestation := a.Make(challenge)
		p, err := passkey.Made("p_dana", a.Passkey.Origin, challenge, client, attestation)
		if err != nil || string(p.Key) != string(a.Passkey.Key) || string(p.ID) != string(a.Passkey.ID) || p.RP != "curfew.localhost" {
			t.Fatalf("%s: %+v %v", name, p, err)
		}
		if err := passkey.Verify(p, *a.Touch([]byte("record"))); err != nil {
			t.Errorf("%s: the key that was made does not verify: %v", name, err)
		}
		for what, lie := range map[string]func(*passkeytest.Said){
			"an assertion":      func(s *passkeytest.Said) { s.Type = "webauthn.get" },
			"another challenge": func(s *passkeytest.Said) { s.Challenge = []byte("another") },
			"another origin":    func(s *passkeytest.Said) { s.Origin = "http://evil.localhost" },
			"another site":      func(s *passkeytest.Said) { s.RP = "localhost" },
			"nobody":            func(s *passkeytest.Said) { s.Flags = passkeytest.Verified },
			"anybody":           func(s *passkeytest.Said) { s.Flags = passkeytest.Present },
			"inside another":    func(s *passkeytest.Said) { s.CrossOrigin = true },
		} {
			client, attestation := a.Make(challenge, lie)
			if _, err := passkey.Made("p_dana", a.Passkey.Origin, challenge, client, attestation); err == nil {
				t.Errorf("%s: %s went through", name, what)
			}
		}
		for n := range attestation { // cut short anywhere, it is refused and nothing breaks
			if _, err := passkey.Made("p_dana", a.Passkey.Origin, challenge, client, attestation[:n]); err == nil {
				t.Errorf("%s: %d bytes of it went through", name, n)
			}
		}
	}
}
