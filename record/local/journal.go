package local

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

// The journal makes the items of all sessions durable with one fsync a step. It
// is a row of segments, files of a folder. A segment is journalMagic, a box with
// its segmentHeader, and records: recordMagic, the length of the box, the
// record's number, and the box: pieces, sealed under the segment's own key with
// the journal's name, the segment's number and the record's as associated data.
// Numbers of records go on from segment to segment, so a record that is missing,
// repeated, moved or of another journal shows.
const (
	journalMagic = "curfew journal 1\n"
	recordMagic  = "\xc5\x1fJr"
	frameBytes   = len(recordMagic) + 4 + 8
	segmentBytes = 16 << 20 // a segment that is as long is the last to take a record
	recordBytes  = 4 << 20  // likewise of a record

	// A header's text is at least as long, so that a segment of emptySegment bytes
	// cannot have taken a record.
	headerText   = 1 << 10
	emptySegment = len(journalMagic) + 4 + seal.Overhead + headerText
)

// segmentHeader begins a segment, sealed by the store's ring.
type segmentHeader struct {
	Journal string   `json:"journal"` // the same random name in all segments of a folder
	Key     string   `json:"key"`
	First   uint64   `json:"first"`            // number of its first record
	Needed  []uint64 `json:"needed,omitempty"` // older segments that hold what no recording's file holds durably yet
}

func segmentAD(number uint64) []byte {
	return seal.Join([]byte("recordings journal"), binary.BigEndian.AppendUint64(nil, number))
}

func recordAD(journal string, segment, record uint64) []byte {
	b := binary.BigEndian.AppendUint64(nil, segment)
	return seal.Join([]byte("recordings journal record"), []byte(journal), binary.BigEndian.AppendUint64(b, record))
}

// What a piece is.
const (
	pieceHeader  = 'H' // the start of a recording's file
	pieceItems   = 'I' // lines
	pieceRetired = 'R' // numbers of segments, 8 bytes each, that may be gone
	pieceNext    = 'N' // the number of the segment that follows; the last of its segment
)

type piece struct {
	kind    byte
	session string
	first   uint64 // number of the first item, from 1
	count   uint64
	data    []byte
}

func appendPiece(b []byte, p piece) []byte {
	b = append(b, p.kind, byte(len(p.session)))
	b = append(b, p.session...)
	b = binary.AppendUvarint(b, p.first)
	b = binary.AppendUvarint(b, p.count)
	b = binary.AppendUvarint(b, uint64(len(p.data)))
	return append(b, p.data...)
}

// readPiece takes the first piece off b. Its data is a part of b.
func readPiece(b []byte) (p piece, rest []byte, err error) {
	bad := curfew.Errorf(curfew.Corrupt, "a piece of the journal does not end")
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return p, nil, bad
	}
	p.kind, p.session = b[0], string(b[2:2+int(b[1])])
	b = b[2+int(b[1]):]
	var size uint64
	for _, to := range []*uint64{&p.first, &p.count, &size} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return p, nil, bad
		}
		*to, b = v, b[n:]
	}
	if size > uint64(len(b)) {
		return p, nil, bad
	}
	p.data = b[:size]
	return p, b[size:], nil
}

// journal is the segment that is being written. One goroutine uses it.
type journal struct {
	folder string
	ring   *seal.Ring
	name   string

	file   *os.File // nil: there is none, or what was written to it is in doubt
	number uint64
	key    *seal.Ring
	size   int64
	next   uint64   // number of the next record
	older  []uint64 // segments before it that are still there
}

func segmentPath(folder string, number uint64) string {
	return filepath.Join(folder, fmt.Sprintf("%012d.journal", number))
}

// begin starts the next segment and makes it durable. first is the number of its
// first record, needed the older segments that must be there.
func (j *journal) begin(first uint64, needed []uint64) error {
	key := seal.NewKey()
	text, err := json.Marshal(segmentHeader{Journal: j.name, Key: key.Text(), First: first, Needed: needed})
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "encode a segment's header")
	}
	text = append(text, bytes.Repeat([]byte{' '}, max(0, headerText-len(text)))...)
	box := j.ring.Seal(segmentAD(j.number+1), text)
	start := append(binary.BigEndian.AppendUint32([]byte(journalMagic), uint32(len(box))), box...)
	path := segmentPath(j.folder, j.number+1)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "start a segment of the recordings' journal")
	}
	_, err = f.Write(start)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncFolder(j.folder)
	}
	if err != nil {
		return errors.Join(curfew.Wrap(curfew.Unavailable, err, "start a segment of the recordings' journal"), f.Close(), os.Remove(path))
	}
	j.older, j.next = needed, first
	j.file, j.number, j.key, j.size = f, j.number+1, seal.NewRing(key), int64(len(start))
	return nil
}

// write adds a record. It is not durable yet.
func (j *journal) write(pieces []byte) error {
	if j.file == nil {
		if err := j.begin(j.next, append(slices.Clone(j.older), j.number)); err != nil {
			return err
		}
	}
	box := j.key.Seal(recordAD(j.name, j.number, j.next), pieces)
	frame := make([]byte, 0, frameBytes+len(box))
	frame = binary.BigEndian.AppendUint32(append(frame, recordMagic...), uint32(len(box)))
	frame = append(binary.BigEndian.AppendUint64(frame, j.next), box...)
	if _, err := j.file.Write(frame); err != nil {
		return j.abandon(err)
	}
	j.size += int64(len(frame))
	j.next++
	return nil
}

// sync makes durable what was written.
func (j *journal) sync() error {
	if err := j.file.Sync(); err != nil {
		return j.abandon(err)
	}
	return nil
}

// abandon gives up a segment after an error: nobody knows what the disk has kept
// of its last records. What was durable before stays so.
func (j *journal) abandon(err error) error {
	_ = j.file.Close()
	j.file = nil
	return curfew.Wrap(curfew.Unavailable, err, "write the recordings' journal")
}

// turn goes on in a new segment once this one is full. The last record of the old
// one says so; it is written when the new one is there, and before that takes any.
func (j *journal) turn() error {
	if j.file == nil || j.size < segmentBytes {
		return nil
	}
	old := *j
	if err := j.begin(j.next+1, append(slices.Clone(j.older), j.number)); err != nil {
		return err
	}
	err := old.write(appendPiece(nil, piece{kind: pieceNext, data: binary.BigEndian.AppendUint64(nil, j.number)}))
	if err == nil {
		err = old.sync()
	}
	if err != nil { // old is given up, and the new one has another first number
		fresh := *j
		*j = old
		return errors.Join(err, fresh.file.Close(), removeSegment(j.folder, fresh.number))
	}
	if err := old.file.Close(); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the recordings' journal")
	}
	return nil
}

// retired forgets segments that a durable record names as not needed.
func (j *journal) retired(numbers map[uint64]bool) {
	kept := j.older[:0:0]
	for _, n := range j.older {
		if !numbers[n] {
			kept = append(kept, n)
		}
	}
	j.older = kept
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func removeSegment(folder string, number uint64) error {
	err := os.Remove(segmentPath(folder, number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
