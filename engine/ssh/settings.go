package ssh

import (
	"bytes"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
)

// settings are a resource's options.
type settings struct {
	// Key is how the host proves who it is: its public key as in a known_hosts file, or
	// the key's fingerprint (SHA256:…); several while it is changed.
	Key list `json:"host key"`
	// Contain is how far sessions' processes are held together: "marks" (default) or "namespace".
	Contain string `json:"contain"`
	// Source is the address, or range of them, that the host sees the gateway at; certificates
	// are good from there alone.
	Source string `json:"source"`

	keys   []ssh.PublicKey
	prints []string
}

// list is one text or several.
type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(l))
}

const (
	byMarks     = "marks"
	byNamespace = "namespace"
)

func settingsOf(res curfew.Resource) (settings, error) {
	s := settings{Contain: byMarks}
	if len(res.Options) > 0 {
		dec := json.NewDecoder(bytes.NewReader(res.Options))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&s); err != nil {
			return s, curfew.Errorf(curfew.Invalid, "the options of %s are not SSH's: %s", res.Name, err).WithFix("host key is one; contain and source are others")
		}
	}
	if len(s.Key) == 0 {
		return s, curfew.Errorf(curfew.Invalid, "%s has no host key: a host is not trusted because it answers", res.Name).WithRule("host.key").
			WithFix("on the host: cat /etc/ssh/ssh_host_ed25519_key.pub; then, host key: ssh-ed25519 AAAA…")
	}
	for _, text := range s.Key {
		if err := s.pin(res, text); err != nil {
			return s, err
		}
	}
	if s.Contain != byMarks && s.Contain != byNamespace {
		return s, curfew.Errorf(curfew.Invalid, "contain: %.40q of %s is not known", s.Contain, res.Name).WithFix("marks or namespace")
	}
	if s.Source != "" {
		if _, err := netip.ParseAddr(s.Source); err != nil {
			if _, err := netip.ParsePrefix(s.Source); err != nil {
				return s, curfew.Errorf(curfew.Invalid, "source: %.60q of %s is no address", s.Source, res.Name).WithFix("for example 10.0.0.5 or 10.0.0.0/24")
			}
		}
	}
	return s, nil
}

// fingerprint is SHA256: and 43 characters of unpadded base64.
const fingerprintLength = len("SHA256:") + 43

func (s *settings) pin(res curfew.Resource, text string) error {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "SHA256:") && len(text) == fingerprintLength {
		s.prints = append(s.prints, text)
		return nil
	}
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil || len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return curfew.Errorf(curfew.Invalid, "the host key of %s is neither a public key nor its fingerprint", res.Name).WithRule("host.key").
			WithFix("one line as ssh-keyscan prints it behind the name: ssh-ed25519 AAAA…; or SHA256:… as ssh-keygen -lf prints it")
	}
	if _, cert := key.(*ssh.Certificate); cert || key.Type() == "ssh-dss" {
		return curfew.Errorf(curfew.Invalid, "the host key of %s is of a kind that is not pinned: %s", res.Name, key.Type()).WithRule("host.key")
	}
	s.keys = append(s.keys, key)
	return nil
}

// algorithms are those that a host with these keys can sign with, so that it does
// not show another key than the one that is pinned.
func (s settings) algorithms() []string {
	known := []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256}
	if len(s.prints) > 0 {
		return known
	}
	return slices.DeleteFunc(known, func(algorithm string) bool {
		return !slices.ContainsFunc(s.keys, func(k ssh.PublicKey) bool {
			return k.Type() == algorithm || k.Type() == ssh.KeyAlgoRSA && strings.HasPrefix(algorithm, "rsa-")
		})
	})
}

// check is the host key callback: the host is who it is said to be, or nothing is said to it.
func (s settings) check(res curfew.Resource) ssh.HostKeyCallback {
	return func(_ string, _ net.Addr, key ssh.PublicKey) error {
		shown := ssh.FingerprintSHA256(key)
		if slices.Contains(s.prints, shown) || slices.ContainsFunc(s.keys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) }) {
			return nil
		}
		return curfew.Errorf(curfew.Denied, "%s showed the host key %s %s, which is not pinned", res.Name, key.Type(), shown).WithRule("host.key").
			WithFix("find out whether the host was built anew; if so, change host key in its configuration")
	}
}
