// Package evidence is one session in one file: what was decided about it, each
// decision proved to be in the signed ledger, and its recording, proved to be the
// one whose head the ledger holds. It writes such files and verifies them, with
// nothing but the deployment's genesis key. It opens no file, dials nobody, and
// decides nothing: who may have what is the caller's.
package evidence

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/record"
)

// A file is lines of JSON, each with one key that says what it is:
//
//	{"evidence": …}  the session, the signed head, and the session's key
//	{"event": …}     an event of the ledger, with its path in the head's tree;
//	                 the first founds the deployment, the last is the export itself
//	{"chunk": …}     a chunk of the recording, as it is sealed
//	{"item": …}      an item of that chunk, in clear
//	{"end": …}       how much there was
//
// A file of shapes has no key and no chunks: who may not see values must not be
// able to open them. Its items are bound by their digest, in the export's event.
//
// Every line is written in one way only; one that says the same otherwise (a key
// twice, a space) is refused, so that no two readers see different things.
const format = 1

// header is the first line.
type header struct {
	Format  int              `json:"format"`
	Session curfew.SessionID `json:"session"`
	Shapes  bool             `json:"shapes,omitempty"`
	Head    string           `json:"head"`
	Key     string           `json:"key,omitempty"` // of this recording alone
}

// chunk is one chunk's line.
type chunk struct {
	Number int    `json:"number"` // from 1
	Sealed []byte `json:"sealed"`
}

// end is the last line.
type end struct {
	Events int `json:"events"`
	Chunks int `json:"chunks"`
	Items  int `json:"items"`
}

// lineBound bounds a line: a chunk's box in base64, or an item, and what is around it.
const lineBound = (record.MaxChunk+2)/3*4 + 4096

// appendLine appends what encoding/json writes of v, under its key.
func appendLine(b []byte, key string, v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return b, curfew.Wrap(curfew.Internal, err, "write the evidence")
	}
	return append(append(append(append(b, `{"`+key+`":`...), text...), '}'), '\n'), nil
}

// event is an event's line as it is read.
type event struct {
	Position uint64          `json:"position"`
	Time     time.Time       `json:"time"`
	Kind     string          `json:"kind"`
	Body     json.RawMessage `json:"body"` // byte for byte as it was appended
	Path     [][]byte        `json:"path"`
}

// appendEvent writes an event's line. The body is not encoded again: its bytes count.
func appendEvent(b []byte, p ledger.Proved) ([]byte, error) {
	kind, err := json.Marshal(string(p.Event.Kind))
	if err != nil {
		return b, curfew.Wrap(curfew.Internal, err, "write the evidence")
	}
	path := make([][]byte, 0, len(p.Path))
	for _, h := range p.Path {
		path = append(path, h[:])
	}
	hashes, err := json.Marshal(path)
	if err != nil {
		return b, curfew.Wrap(curfew.Internal, err, "write the evidence")
	}
	b = strconv.AppendUint(append(b, `{"event":{"position":`...), p.Event.Position, 10)
	b = p.Event.Time.UTC().AppendFormat(append(b, `,"time":"`...), time.RFC3339Nano)
	b = append(append(b, `","kind":`...), kind...)
	b = append(append(b, `,"body":`...), p.Event.Body...)
	return append(append(append(b, `,"path":`...), hashes...), "}}\n"...), nil
}

// appendItem writes an item's line.
func appendItem(b []byte, it *record.Item) []byte {
	b = record.AppendLine(append(b, `{"item":`...), it)
	return append(b[:len(b)-1], "}\n"...)
}
