package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
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

// Name is the deployment: Name, KeyHash and Sign make a Signer a note.Signer.
func (s Signer) Name() string { return s.deployment }

// KeyHash is how a signature line names its key.
func (s Signer) KeyHash() uint32 { return keyHash(s.deployment, s.Public()) }

// Sign signs a note's text.
func (s Signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// head signs a head over a tree. Beside what a checkpoint says, three lines: the
// newest event's time, the node's clock, and the hash of the signed head before
// it, so that the last head commits to every byte of all of them.
func (s Signer) head(f *Frontier, at, clock time.Time, before []byte) (Head, error) {
	root, prev := f.Root(), sha256.Sum256(before)
	text := fmt.Sprintf("%s\n%d\n%s\ntime %d\nclock %d\nafter %s\n", s.deployment, f.Size,
		base64.StdEncoding.EncodeToString(root[:]), at.UnixNano(), clock.UnixNano(), base64.StdEncoding.EncodeToString(prev[:]))
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

// said is all that a head says.
type said struct {
	Head
	clock  time.Time
	before Hash // of the signed head before it
}

// ParseHead reads a signed head and checks that one of the keys made it, for the
// deployment. A head without a valid signature is no head.
func ParseHead(signed []byte, deployment string, keys ...ed25519.PublicKey) (Head, error) {
	s, err := readHead(signed)
	if err != nil {
		return Head{}, err
	}
	if !s.signedBy(deployment, keys) {
		return Head{}, curfew.Errorf(curfew.Corrupt, "a head is not signed by a key of %s", deployment)
	}
	return s.Head, nil
}

func (s said) signedBy(deployment string, keys []ed25519.PublicKey) bool {
	var all []note.Verifier
	for _, k := range keys {
		all = append(all, verifier{deployment, k})
	}
	n, err := note.Open(s.Note, note.VerifierList(all...))
	return err == nil && strings.HasPrefix(n.Text, deployment+"\n")
}

// The lines of a head's text. A signed note with all of them is below maxHead bytes.
const (
	lineName = iota
	lineSize
	lineRoot
	lineTime
	lineClock
	lineAfter
	headLines
	maxHead = 4096
)

// readHead reads what a head says without checking who signed it.
func readHead(signed []byte) (said, error) {
	bad := curfew.Errorf(curfew.Corrupt, "a signed head cannot be read")
	text, _, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok || len(signed) > maxHead {
		return said{}, bad
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) != headLines {
		return said{}, bad
	}
	size, err := strconv.ParseUint(lines[lineSize], 10, 64)
	root, ok1 := readHash(lines[lineRoot], "")
	at, ok2 := readNanos(lines[lineTime], "time ")
	clock, ok3 := readNanos(lines[lineClock], "clock ")
	before, ok4 := readHash(lines[lineAfter], "after ")
	if err != nil || strconv.FormatUint(size, 10) != lines[lineSize] || !ok1 || !ok2 || !ok3 || !ok4 {
		return said{}, bad
	}
	return said{Head{Size: size, Root: root, Time: at, Note: signed}, clock, before}, nil
}

func readHash(line, prefix string) (Hash, bool) {
	text, ok := strings.CutPrefix(line, prefix)
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if !ok || err != nil || len(raw) != len(Hash{}) {
		return Hash{}, false
	}
	return Hash(raw), true
}

func readNanos(line, prefix string) (time.Time, bool) {
	text, ok := strings.CutPrefix(line, prefix)
	n, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(0, n).UTC(), ok && err == nil
}
