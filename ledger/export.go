package ledger

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"iter"

	"github.com/curfewhq/curfew"
)

// An export is a magic line and frames: a type byte, a length (4 bytes,
// big-endian), that many bytes. The frame of an event is the hash that was stored
// with it and its canonical encoding; a head's is the signed note, after the
// events that it is over.
const (
	exportMagic = "curfew ledger export 1\n"
	frameEvent  = 'e'
	frameHead   = 'h'
	frameHeader = 5
	// maxEvent is the longest frame of an event: hash, fixed fields, kind, body.
	maxEvent = 32 + 1 + 8 + 8 + 2 + MaxKind + 4 + MaxBody
)

// Export writes everything a stranger needs to verify the ledger.
func Export(ctx context.Context, w io.Writer, s Store) error {
	buf := bufio.NewWriterSize(w, 1<<18)
	if _, err := buf.WriteString(exportMagic); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the export")
	}
	var frame []byte
	for r, err := range Live(s).Records(ctx) {
		if err != nil {
			return err
		}
		if frame, err = appendFrame(frame[:0], r); err != nil {
			return err
		}
		if _, err := buf.Write(frame); err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "write the export")
		}
	}
	if err := buf.Flush(); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the export")
	}
	return nil
}

// appendFrame writes a record. What was changed by hand into something that no
// frame can hold is not exported: verifying the ledger itself names it.
func appendFrame(buf []byte, r Record) ([]byte, error) {
	start := len(buf)
	limit := maxEvent
	if r.Note != nil {
		buf = append(append(buf, frameHead, 0, 0, 0, 0), r.Note...)
		limit = maxHead
	} else {
		buf = append(append(buf, frameEvent, 0, 0, 0, 0), r.Hash[:]...)
		buf = AppendLeaf(buf, r.Event)
	}
	size := len(buf) - start - frameHeader
	if size > limit || len(r.Event.Kind) > MaxKind {
		return nil, curfew.Errorf(curfew.Corrupt, "event %d or its head was changed by hand: it is too long", max(r.Event.Position, r.Size))
	}
	binary.BigEndian.PutUint32(buf[start+1:], uint32(size))
	return buf, nil
}

// Exported is an export that is being read: a Source that can be gone through once.
type Exported struct{ r *bufio.Reader }

// ReadExport reads what Export wrote. Nothing but the first line is read before
// its records are asked for.
func ReadExport(r io.Reader) (*Exported, error) {
	buf := bufio.NewReaderSize(r, 1<<18)
	magic := make([]byte, len(exportMagic))
	if _, err := io.ReadFull(buf, magic); err != nil || string(magic) != exportMagic {
		return nil, curfew.Errorf(curfew.Invalid, "this is no export of a ledger").WithFix("make one: curfew ledger export -o ledger.curfew")
	}
	return &Exported{buf}, nil
}

// Records reads the records in the order of the file.
func (x *Exported) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		kinds := map[string]curfew.Kind{}
		for ctx.Err() == nil {
			r, err := readRecord(x.r, kinds)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
		yield(Record{}, curfew.Wrap(curfew.Unavailable, context.Cause(ctx), "read the export"))
	}
}

// readRecord reads a frame; io.EOF where the file ends between two. kinds saves a
// copy of a kind's text for every event.
func readRecord(r *bufio.Reader, kinds map[string]curfew.Kind) (Record, error) {
	var head [frameHeader]byte
	if _, err := io.ReadFull(r, head[:]); errors.Is(err, io.EOF) {
		return Record{}, io.EOF
	} else if err != nil {
		return Record{}, cutShort(err)
	}
	size := binary.BigEndian.Uint32(head[1:])
	switch {
	case head[0] == frameEvent && size <= maxEvent:
	case head[0] == frameHead && size <= maxHead:
	default:
		return Record{}, curfew.Errorf(curfew.Corrupt, "the export has a frame that is no event and no head")
	}
	text, err := readBytes(r, int(size))
	if err != nil {
		return Record{}, err
	}
	if head[0] == frameHead {
		return Record{Note: text}, nil
	}
	if len(text) < len(Hash{}) {
		return Record{}, curfew.Errorf(curfew.Corrupt, "the export has an event that cannot be read")
	}
	e, err := parseLeaf(text[len(Hash{}):], kinds)
	return Record{Event: e, Hash: Hash(text)}, err
}

// readBytes allocates as the bytes come, so that a length that lies costs nothing.
func readBytes(r io.Reader, size int) ([]byte, error) {
	const step = 1 << 16
	text := make([]byte, min(size, step))
	for from := 0; ; {
		if _, err := io.ReadFull(r, text[from:]); err != nil {
			return nil, cutShort(err)
		}
		if from = len(text); from == size {
			return text, nil
		}
		text = append(text, make([]byte, min(size-from, from))...)
	}
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return curfew.Errorf(curfew.Corrupt, "the export was cut short in the middle of a frame")
	}
	return curfew.Wrap(curfew.Unavailable, err, "read the export")
}
