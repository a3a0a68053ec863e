package ledger

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/curfewhq/curfew"
)

// Signer signs heads: a node's key, under the name of its deployment.
type Signer struct {
	deployment string
	key        ed25519.PrivateKey
}

// NewSigner makes a Signer.
func NewSigner(deployment string, key ed25519.PrivateKey) Signer { return Signer{deployment, key} }

// Public is the key that others check with.
func (s Signer) Public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// Deployment is the name that every head begins with.
func (s Signer) Deployment() string { return s.deployment }

// Name and KeyHash and Sign make a Signer a note.Signer.
func (s Signer) Name() string { return s.deployment }

// KeyHash is how a signature line names its key.
func (s Signer) KeyHash() uint32 { return keyHash(s.deployment, s.Public()) }

// Sign signs a note's text.
func (s Signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// Head signs a head over a tree.
func (s Signer) Head(f *Frontier, at time.Time) (Head, error) {
	root := f.Root()
	text := fmt.Sprintf("%s\n%d\n%s\ntime %d\n", s.deployment, f.Size, base64.StdEncoding.EncodeToString(root[:]), at.UnixNano())
	signed, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return Head{}, curfew.Wrap(curfew.Internal, err, "sign a head")
	}
	return Head{Size: f.Size, Root: root, Time: at, Note: signed}, nil
}

type verifier struct {
	name string
	key  ed25519.PublicKey
}

func (v verifier) Name() string    { return v.name }
func (v verifier) KeyHash() uint32 { return keyHash(v.name, v.key) }
func (v verifier) Verify(msg, sig []byte) bool {
	return len(v.key) == ed25519.PublicKeySize && ed25519.Verify(v.key, msg, sig)
}

// ParseHead reads a signed head and checks that one of the keys made it, for the
// deployment. A head without a valid signature is no head.
func ParseHead(signed []byte, deployment string, keys ...ed25519.PublicKey) (Head, error) {
	var all []note.Verifier
	for _, k := range keys {
		all = append(all, verifier{deployment, k})
	}
	n, err := note.Open(signed, note.VerifierList(all...))
	if err != nil {
		return Head{}, curfew.Wrap(curfew.Corrupt, err, "a head is not signed by a key of %s", deployment)
	}
	return readText(n.Text, signed, deployment)
}

// readHead reads what a head says without checking who signed it.
func readHead(signed []byte, deployment string) (Head, error) {
	text, _, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return Head{}, curfew.Errorf(curfew.Corrupt, "a signed head cannot be read")
	}
	return readText(text+"\n", signed, deployment)
}

func readText(text string, signed []byte, deployment string) (Head, error) {
	bad := curfew.Errorf(curfew.Corrupt, "a signed head cannot be read")
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || lines[0] != deployment || lines[4] != "" {
		return Head{}, bad
	}
	size, err1 := strconv.ParseUint(lines[1], 10, 64)
	root, err2 := base64.StdEncoding.DecodeString(lines[2])
	nanos, ok := strings.CutPrefix(lines[3], "time ")
	at, err3 := strconv.ParseInt(nanos, 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || !ok || len(root) != len(Hash{}) {
		return Head{}, bad
	}
	return Head{Size: size, Root: Hash(root), Time: time.Unix(0, at).UTC(), Note: signed}, nil
}
