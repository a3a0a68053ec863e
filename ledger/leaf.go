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

// ParseLeaf reads what AppendLeaf wrote; all of b must be one event. The body
// lies in b.
func ParseLeaf(b []byte) (curfew.Event, error) { return parseLeaf(b, nil) }

// parseLeaf takes an event's kind from kinds, which it fills, unless that is nil
// or full of what a stranger made up.
func parseLeaf(b []byte, kinds map[string]curfew.Kind) (curfew.Event, error) {
	const fixed, most = 1 + 8 + 8 + 2, 1000
	bad := func() (curfew.Event, error) {
		return curfew.Event{}, curfew.Errorf(curfew.Corrupt, "these %d bytes are no event", len(b))
	}
	if len(b) < fixed || b[0] != leafVersion {
		return bad()
	}
	n := int(binary.BigEndian.Uint16(b[17:]))
	rest := b[fixed:]
	if n == 0 || n > MaxKind || len(rest) < n+4 {
		return bad()
	}
	kind, known := kinds[string(rest[:n])]
	if !known {
		kind = curfew.Kind(rest[:n])
		if kinds != nil && len(kinds) < most {
			kinds[string(kind)] = kind
		}
	}
	body := rest[n+4:]
	if size := binary.BigEndian.Uint32(rest[n:]); size > MaxBody || uint64(len(body)) != uint64(size) {
		return bad()
	}
	at := time.Unix(0, int64(binary.BigEndian.Uint64(b[9:]))).UTC()
	return curfew.Event{Position: binary.BigEndian.Uint64(b[1:]), Time: at, Kind: kind, Body: body}, nil
}

// leafPrefix and innerPrefix keep leaves and inner nodes apart (RFC 6962, 2.1).
const (
	leafPrefix  = 0
	innerPrefix = 1
)

// hash is the RFC 6962 hash of a leaf's encoding behind its prefix.
func hash(prefixed []byte) Hash { return sha256.Sum256(prefixed) }

// LeafHash is the RFC 6962 hash of an event.
func LeafHash(e curfew.Event) Hash {
	return hash(AppendLeaf(append(make([]byte, 0, 64+len(e.Kind)+len(e.Body)), leafPrefix), e))
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
