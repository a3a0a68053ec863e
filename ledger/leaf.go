package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/curfewhq/curfew"
)

// Bounds of an event.
const (
	MaxKind = 128
	MaxBody = 4 << 20
)

const leafVersion = 1

// Hash is a node of the Merkle tree.
type Hash = [sha256.Size]byte

// AppendLeaf appends the canonical encoding of an event, version 1, to buf:
// version byte, position, time in Unix nanoseconds, kind, body; numbers are
// big-endian, texts have their length before them. The body is hashed byte for
// byte as it was appended.
func AppendLeaf(buf []byte, e curfew.Event) []byte {
	buf = append(buf, leafVersion)
	buf = binary.BigEndian.AppendUint64(buf, e.Position)
	buf = binary.BigEndian.AppendUint64(buf, uint64(e.Time.UnixNano()))
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(e.Kind)))
	buf = append(buf, e.Kind...)
	buf = binary.BigEndian.AppendUint32(buf, uint32(len(e.Body)))
	return append(buf, e.Body...)
}

// ParseLeaf reads what AppendLeaf wrote; all of b must be one event.
func ParseLeaf(b []byte) (curfew.Event, error) {
	bad := curfew.Errorf(curfew.Corrupt, "these %d bytes are no event", len(b))
	if len(b) < 19 || b[0] != leafVersion {
		return curfew.Event{}, bad
	}
	e := curfew.Event{Position: binary.BigEndian.Uint64(b[1:]), Time: time.Unix(0, int64(binary.BigEndian.Uint64(b[9:]))).UTC()}
	n := int(binary.BigEndian.Uint16(b[17:]))
	b = b[19:]
	if n == 0 || n > MaxKind || len(b) < n+4 {
		return curfew.Event{}, bad
	}
	e.Kind = curfew.Kind(b[:n])
	size := binary.BigEndian.Uint32(b[n:])
	b = b[n+4:]
	if size > MaxBody || uint32(len(b)) != size {
		return curfew.Event{}, bad
	}
	e.Body = append([]byte(nil), b...)
	return e, nil
}

// LeafHash is the RFC 6962 hash of an event.
func LeafHash(e curfew.Event) Hash {
	var scratch [512]byte
	return sha256.Sum256(AppendLeaf(append(scratch[:0], 0), e))
}

// CheckDraft refuses a draft that has no place in a ledger.
func CheckDraft(d Draft) error {
	if d.Kind == "" || len(d.Kind) > MaxKind {
		return curfew.Errorf(curfew.Invalid, "the kind %.40q has %d bytes, it may have 1 to %d", d.Kind, len(d.Kind), MaxKind)
	}
	if len(d.Body) > MaxBody {
		return curfew.Errorf(curfew.Invalid, "the body of a %s has %d bytes, it may have %d", d.Kind, len(d.Body), MaxBody)
	}
	return nil
}
