package ledger

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"

	"github.com/curfewhq/curfew"
)

// An export is a magic line and frames: a type byte, a length, a text. Frames of
// events come in order, each head after the events that it is over.
const (
	exportMagic = "curfew ledger export 1\n"
	frameEvent  = 'e'
	frameHead   = 'h'
	maxFrame    = MaxBody + 4096
)

// Export writes everything a stranger needs to verify the ledger.
func Export(ctx context.Context, w io.Writer, src Source) error {
	buf := bufio.NewWriterSize(w, 1<<20)
	if _, err := buf.WriteString(exportMagic); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the export")
	}
	var at, after uint64
	for {
		events, err := src.Read(ctx, at+1, pageOfEvents)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := writeFrame(buf, frameEvent, AppendLeaf(nil, e)); err != nil {
				return err
			}
			at = e.Position
		}
		if len(events) < pageOfEvents {
			break
		}
	}
	for {
		heads, err := src.Heads(ctx, after, pageOfEvents)
		if err != nil {
			return err
		}
		for _, h := range heads {
			if err := writeFrame(buf, frameHead, h); err != nil {
				return err
			}
			if after, err = sizeOf(h); err != nil {
				return err
			}
			if after >= at { // what came after the last event read belongs to the next export
				return flush(buf)
			}
		}
		if len(heads) < pageOfEvents {
			return flush(buf)
		}
	}
}

func flush(buf *bufio.Writer) error {
	if err := buf.Flush(); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the export")
	}
	return nil
}

func writeFrame(w io.Writer, kind byte, text []byte) error {
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(text)))
	_, err := w.Write(append(head, text...))
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the export")
	}
	return nil
}

// sizeOf reads how many events a head says it is over.
func sizeOf(signed []byte) (uint64, error) {
	var size uint64
	line := 0
	for _, c := range signed {
		switch {
		case c == '\n':
			if line++; line == 2 {
				return size, nil
			}
		case line == 1:
			if c < '0' || c > '9' || size > 1<<60 {
				return 0, curfew.Errorf(curfew.Corrupt, "a signed head cannot be read")
			}
			size = size*10 + uint64(c-'0')
		}
	}
	return 0, curfew.Errorf(curfew.Corrupt, "a signed head cannot be read")
}

// Exported is an export that has been read: a Source.
type Exported struct {
	events []curfew.Event
	heads  [][]byte
	sizes  []uint64
}

// ReadExport reads what Export wrote. A file that was cut short reads up to
// there: verifying says so.
func ReadExport(r io.Reader) (*Exported, error) {
	buf := bufio.NewReaderSize(r, 1<<20)
	magic := make([]byte, len(exportMagic))
	if _, err := io.ReadFull(buf, magic); err != nil || string(magic) != exportMagic {
		return nil, curfew.Errorf(curfew.Invalid, "this is no export of a ledger").WithFix("make one: curfew ledger export -o ledger.curfew")
	}
	x := &Exported{}
	for {
		kind, text, err := readFrame(buf)
		if errors.Is(err, io.EOF) {
			return x, nil
		}
		if err != nil {
			return nil, err
		}
		if err := x.take(kind, text); err != nil {
			return nil, err
		}
	}
}

func readFrame(r io.Reader) (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, io.EOF
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > maxFrame {
		return 0, nil, curfew.Errorf(curfew.Corrupt, "a frame of %d bytes", size)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return 0, nil, io.EOF
	}
	return head[0], text, nil
}

func (x *Exported) take(kind byte, text []byte) error {
	switch kind {
	case frameEvent:
		e, err := ParseLeaf(text)
		if err != nil {
			return err
		}
		x.events = append(x.events, e)
	case frameHead:
		size, err := sizeOf(text)
		if err != nil {
			return err
		}
		x.heads, x.sizes = append(x.heads, text), append(x.sizes, size)
	default:
		return curfew.Errorf(curfew.Corrupt, "a frame of the kind %q is not known", kind)
	}
	return nil
}

// Read returns events in the order of the file.
func (x *Exported) Read(_ context.Context, from uint64, limit int) ([]curfew.Event, error) {
	if from == 0 || from > uint64(len(x.events)) {
		return nil, nil
	}
	rest := x.events[from-1:]
	return rest[:min(limit, len(rest))], nil
}

// Heads returns heads over more than after events.
func (x *Exported) Heads(_ context.Context, after uint64, limit int) ([][]byte, error) {
	var out [][]byte
	for i, size := range x.sizes {
		if size > after && len(out) < limit {
			out = append(out, x.heads[i])
		}
	}
	return out, nil
}
