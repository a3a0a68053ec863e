package evidence

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/record"
)

// Shape shows an item to those who may not see values.
type Shape func(record.Item) record.Item

// Sum is what a recording comes to, as far as it goes: what the event of an export
// commits to.
type Sum struct {
	Head   [32]byte
	Chunks int
	Items  int
	Digest [32]byte // SHA-256 of the items' lines
	Closed bool
}

// Survey reads a recording to its end. shape is nil for whoever may see everything.
func Survey(c record.Chunks, shape Shape) (s Sum, err error) {
	digest := sha256.New()
	err = walk(c, -1, func(_ []byte, items []record.Item) error {
		s.Chunks++
		var line []byte
		for i := range items {
			s.Items++
			s.Closed = items[i].Kind == record.Closed
			line = appendItem(line[:0], shaped(&items[i], shape))
			_, _ = digest.Write(line) // never fails
		}
		return nil
	})
	s.Head, s.Digest = c.Head(), [32]byte(digest.Sum(nil))
	return s, err
}

// walk calls f with the chunks of a recording, most of them at most; most < 0: all.
func walk(c record.Chunks, most int, f func(box []byte, items []record.Item) error) error {
	for n := 0; most < 0 || n < most; n++ {
		box, items, err := c.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f(box, items)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func shaped(it *record.Item, shape Shape) *record.Item {
	if shape == nil {
		return it
	}
	out := shape(*it)
	// As a reader of the file will have it: text that is not UTF-8 differs.
	var read record.Item
	if json.Unmarshal(record.AppendLine(nil, &out), &read) != nil {
		return &record.Item{At: it.At, Kind: it.Kind}
	}
	return &read
}

// File is what is written.
type File struct {
	Session curfew.SessionID
	Head    ledger.Head     // over the event of the export, at least
	Events  []ledger.Proved // in that head, in order; the last is the export
	Chunks  record.Chunks   // from the first chunk on
	Sum     Sum             // as Survey found it
	Shape   Shape           // nil: everything is written, and the session's key
}

// Write writes the file. A recording that is not the surveyed one any more is an
// error, and the file then has no end.
func Write(w io.Writer, f File) error {
	buf := bufio.NewWriterSize(w, 1<<18)
	h := header{Format: format, Session: f.Session, Shapes: f.Shape != nil, Head: string(f.Head.Note)}
	if f.Shape == nil {
		h.Key = f.Chunks.Key().Text()
	}
	line, err := appendLine(nil, "evidence", h)
	for _, p := range f.Events {
		if err == nil {
			line, err = appendEvent(line, p)
		}
	}
	if err == nil {
		_, err = buf.Write(line)
	}
	n, items := 0, 0
	if err == nil {
		err = walk(f.Chunks, f.Sum.Chunks, func(box []byte, all []record.Item) error {
			n++
			line = line[:0]
			if f.Shape == nil {
				if line, err = appendLine(line, "chunk", chunk{n, box}); err != nil {
					return err
				}
			}
			for i := range all {
				items++
				if line = appendItem(line, shaped(&all[i], f.Shape)); len(line) > 1<<18 || i == len(all)-1 {
					if _, err := buf.Write(line); err != nil {
						return err
					}
					line = line[:0]
				}
			}
			_, err := buf.Write(line)
			return err
		})
	}
	if err == nil && (f.Chunks.Head() != f.Sum.Head || items != f.Sum.Items) {
		err = curfew.Errorf(curfew.Corrupt, "the recording of %s changed while it was exported", f.Session)
	}
	if h.Shapes {
		n = 0 // none was written
	}
	if err == nil {
		line, err = appendLine(line[:0], "end", end{len(f.Events), n, items})
	}
	if err == nil {
		_, err = buf.Write(line)
	}
	if err == nil {
		err = buf.Flush()
	}
	if err != nil && curfew.CodeOf(err) == curfew.Internal {
		return curfew.Wrap(curfew.Unavailable, err, "write the evidence")
	}
	return err
}
