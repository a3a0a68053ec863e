package local

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

// replay is what a journal says: the pieces of each session in order, and what is
// wrong with it. Records of one segment that a crash has torn are no fault, nor
// are those that an error of the disk made its writer abandon: nobody was told
// that they are durable.
type replay struct {
	ring   *seal.Ring
	folder string

	name     string
	last     uint64 // number of the newest segment file
	next     uint64 // number of the record that would follow
	present  []uint64
	sessions map[curfew.SessionID]*spoken
	retired  map[uint64]bool
	needed   []uint64 // the newest segment's list
	follows  uint64   // a segment that is said to follow
	faults   []string
	spoilt   []uint64 // segments that do not open at all
}

// spoken is what the journal holds of one session.
type spoken struct {
	start  []byte // nil: its file is durable since an older segment
	pieces []piece
}

func (r *replay) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

func readJournal(folder string, ring *seal.Ring) (*replay, error) {
	r := &replay{ring: ring, folder: folder, sessions: map[curfew.SessionID]*spoken{}, retired: map[uint64]bool{}, next: 1}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the recordings' journal")
	}
	for _, e := range entries { // sorted, and so are the numbers
		text, _ := strings.CutSuffix(e.Name(), ".journal")
		n, err := strconv.ParseUint(text, 10, 64)
		if err == nil && e.Name() == filepath.Base(segmentPath(folder, n)) {
			r.present = append(r.present, n)
			r.last = n
		}
	}
	for _, n := range r.present {
		b, err := os.ReadFile(segmentPath(folder, n))
		if err != nil {
			return nil, curfew.Wrap(curfew.Unavailable, err, "read the recordings' journal")
		}
		r.segment(n, b)
	}
	for _, n := range r.needed {
		if !r.retired[n] && !slices.Contains(r.present, n) {
			r.fault("its segment %d is missing", n)
		}
	}
	if r.follows > r.last {
		r.fault("its segment %d is missing", r.follows)
	}
	return r, nil
}

// segment reads one segment.
func (r *replay) segment(n uint64, b []byte) {
	h, rest, err := r.header(n, b)
	if err != nil {
		if n == r.last && len(b) <= emptySegment && len(r.present) > 1 {
			return // torn when it was begun: it never took a record
		}
		r.fault("its segment %d is not what was written", n)
		r.spoilt = append(r.spoilt, n)
		return
	}
	if r.name == "" {
		r.name = h.Journal
	} else if r.name != h.Journal {
		r.fault("its segment %d is another journal's", n)
		r.spoilt = append(r.spoilt, n)
		return
	}
	key, err := seal.ParseKey(h.Key)
	if err != nil {
		r.fault("its segment %d is not what was written", n)
		return
	}
	before := r.next
	r.next = h.First
	r.needed = h.Needed
	r.records(n, seal.NewRing(key), rest)
	if r.next > h.First && h.First > before && slices.Contains(h.Needed, n-1) && slices.Contains(r.present, n-1) {
		r.fault("records %d to %d are missing at the end of its segment %d", before, h.First-1, n-1)
	}
}

func (r *replay) header(n uint64, b []byte) (h segmentHeader, rest []byte, err error) {
	bad := curfew.Errorf(curfew.Corrupt, "no segment")
	rest, ok := bytes.CutPrefix(b, []byte(journalMagic))
	if !ok || len(rest) < 4 {
		return h, nil, bad
	}
	size := uint64(binary.BigEndian.Uint32(rest))
	if size > uint64(len(rest)-4) {
		return h, nil, bad
	}
	text, err := r.ring.Open(segmentAD(n), rest[4:4+size])
	if err != nil {
		return h, nil, err
	}
	return h, rest[4+size:], json.Unmarshal(text, &h)
}

// records reads the records of a segment. Behind one that is damaged it looks for
// others: where there are, it was not torn at the end.
func (r *replay) records(segment uint64, key *seal.Ring, b []byte) {
	damaged := false
	for at := 0; at < len(b); {
		number, plain, size := r.record(segment, key, b[at:])
		if size == 0 {
			damaged = true
			skip := bytes.Index(b[at+1:], []byte(recordMagic))
			if skip < 0 {
				return // torn, or the rest was never written
			}
			at += 1 + skip
			continue
		}
		at += size
		switch {
		case number < r.next:
			r.fault("record %d of its segment %d appears again", number, segment)
			continue
		case number > r.next:
			r.fault("records %d to %d of its segment %d are missing", r.next, number-1, segment)
		case damaged:
			r.fault("bytes of its segment %d before record %d are not what was written", segment, number)
		}
		damaged = false
		r.next = number + 1
		r.take(segment, number, plain)
	}
}

// record opens the record at the start of b; size is 0 where there is none.
func (r *replay) record(segment uint64, key *seal.Ring, b []byte) (number uint64, plain []byte, size int) {
	if len(b) < frameBytes || string(b[:len(recordMagic)]) != recordMagic {
		return 0, nil, 0
	}
	n := uint64(binary.BigEndian.Uint32(b[len(recordMagic):]))
	number = binary.BigEndian.Uint64(b[len(recordMagic)+4:])
	if n > uint64(len(b)-frameBytes) {
		return 0, nil, 0
	}
	box := b[frameBytes : frameBytes+int(n)]
	plain, err := key.Open(recordAD(r.name, segment, number), box)
	if err != nil {
		return 0, nil, 0
	}
	return number, plain, frameBytes + int(n)
}

func (r *replay) take(segment, number uint64, plain []byte) {
	for len(plain) > 0 {
		p, rest, err := readPiece(plain)
		if err != nil {
			r.fault("record %d of its segment %d does not end", number, segment)
			return
		}
		plain = rest
		switch p.kind {
		case pieceHeader, pieceItems:
			s := r.sessions[curfew.SessionID(p.session)]
			if s == nil {
				s = &spoken{}
				r.sessions[curfew.SessionID(p.session)] = s
			}
			if p.kind == pieceHeader {
				s.start = p.data
			} else {
				s.pieces = append(s.pieces, p)
			}
		case pieceRetired:
			for b := p.data; len(b) >= 8; b = b[8:] {
				r.retired[binary.BigEndian.Uint64(b)] = true
			}
		case pieceNext:
			if len(p.data) == 8 {
				r.follows = binary.BigEndian.Uint64(p.data)
			}
		default:
			r.fault("record %d of its segment %d holds what this version does not know", number, segment)
		}
	}
}
