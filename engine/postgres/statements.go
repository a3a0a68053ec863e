package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/curfewhq/curfew/record"
)

// statements follows what a client asked and how it went, for the recording.
type statements struct {
	mu      sync.Mutex
	ref     uint64            // guarded by mu; the last one given
	texts   map[string]string // guarded by mu; prepared statements by name
	portals map[string]portal // guarded by mu
	pending []pending         // guarded by mu; in the order they were sent
	rows    int64             // guarded by mu; of the statement under way
	bytes   int64             // guarded by mu; since the last outcome
	copying bool              // guarded by mu; the target takes copy data
}

type portal struct {
	text   string
	values []record.Value
}

// pending is something the target will answer.
type pending struct {
	kind  byte // 'Q', 'E', or 'S' for a Sync
	ref   uint64
	began time.Time
}

func newStatements() *statements {
	return &statements{texts: map[string]string{}, portals: map[string]portal{}}
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "… (" + strconv.Itoa(len(s)-most) + " more bytes)"
}

// secretive reports whether a statement sets a secret: its literals are masked.
func secretive(text string) bool {
	lower := strings.ToLower(text)
	return strings.Contains(lower, "password") || strings.Contains(lower, "user mapping") || strings.Contains(lower, "dblink") || strings.Contains(lower, "subscription")
}

func statementItem(ref uint64, text string, values []record.Value) record.Item {
	if secretive(text) {
		text = shape(text)
		for i := range values {
			if !values[i].Null {
				values[i] = record.Value{Text: "***"}
			}
		}
	}
	return record.Item{Kind: record.Statement, Ref: ref, Text: cut(text, textLimit), Values: values}
}

func (s *statements) next(kind byte) uint64 {
	s.ref++
	s.pending = append(s.pending, pending{kind, s.ref, time.Now()})
	return s.ref
}

// simple is a Query message.
func (s *statements) simple(text string) record.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return statementItem(s.next('Q'), text, nil)
}

// parse is a Parse message: name, text, types.
func (s *statements) parse(body []byte) error {
	name, rest, ok1 := take0(body)
	text, rest, ok2 := take0(rest)
	if !ok1 || !ok2 || len(rest) < 2 || len(rest) != 2+4*int(binary.BigEndian.Uint16(rest)) {
		return malformed("a Parse message of another form")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.texts) > 10_000 {
		return malformed("more than 10,000 prepared statements")
	}
	s.texts[name] = text
	return nil
}

// bind is a Bind message: portal, statement, formats, values, result formats.
func (s *statements) bind(body []byte) error {
	bad := malformed("a Bind message of another form")
	name, rest, ok1 := take0(body)
	stmt, rest, ok2 := take0(rest)
	formats, rest, ok3 := take16s(rest)
	if !ok1 || !ok2 || !ok3 || len(rest) < 2 {
		return bad
	}
	n := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	values := make([]record.Value, 0, min(n, 64))
	for i := range n {
		if len(rest) < 4 {
			return bad
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if size < 0 {
			values = append(values, record.Value{Null: true})
			continue
		}
		if size > len(rest) {
			return bad
		}
		binaryFormat := len(formats) == 1 && formats[0] == 1 || i < len(formats) && formats[i] == 1
		values = append(values, valueOf(rest[:size], binaryFormat))
		rest = rest[size:]
	}
	if _, rest, ok := take16s(rest); !ok || len(rest) != 0 {
		return bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.portals) > 10_000 {
		clear(s.portals) // only their texts in the recording are forgotten
	}
	text, known := s.texts[stmt]
	if !known {
		text = "(prepared statement " + stmt + ", made by PREPARE)"
	}
	s.portals[name] = portal{text, values}
	return nil
}

// valueOf is a bound value as the recording keeps it.
func valueOf(b []byte, binaryFormat bool) record.Value {
	var v record.Value
	if len(b) > valueLimit {
		v.Cut = len(b) - valueLimit
		b = b[:valueLimit]
	}
	if binaryFormat || !utf8.Valid(b) && v.Cut == 0 {
		v.Binary, v.Text = true, hex.EncodeToString(b)
		return v
	}
	v.Text = strings.ToValidUTF8(string(b), "")
	return v
}

// execute is an Execute message: portal, row limit.
func (s *statements) execute(body []byte) (record.Item, error) {
	name, rest, ok := take0(body)
	if !ok || len(rest) != 4 {
		return record.Item{}, malformed("an Execute message of another form")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, known := s.portals[name]
	if !known {
		p.text = "(portal " + name + ", made by DECLARE)"
	}
	values := append([]record.Value(nil), p.values...)
	return statementItem(s.next('E'), p.text, values), nil
}

func (s *statements) close(body []byte) error {
	if len(body) < 2 || body[len(body)-1] != 0 {
		return malformed("a Close message of another form")
	}
	name := string(body[1 : len(body)-1])
	s.mu.Lock()
	defer s.mu.Unlock()
	switch body[0] {
	case 'S':
		delete(s.texts, name)
	case 'P':
		delete(s.portals, name)
	default:
		return malformed("a Close message of another form")
	}
	return nil
}

func (s *statements) sync() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, pending{kind: 'S'})
}

func (s *statements) copied(n int) {
	s.mu.Lock()
	s.bytes += int64(n)
	s.mu.Unlock()
}

func (s *statements) received(n int) {
	s.mu.Lock()
	s.bytes += int64(n)
	s.mu.Unlock()
}

func (s *statements) row() {
	s.mu.Lock()
	s.rows++
	s.mu.Unlock()
}

func (s *statements) copyIn() {
	s.mu.Lock()
	s.copying = true
	s.mu.Unlock()
}

// inCopy: a client may begin to send copy data before the target has said that it
// takes it only if a statement is under way.
func (s *statements) inCopy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.copying || len(s.pending) > 0
}

// complete is the end of one statement; of a Query there may be several.
func (s *statements) complete(tag string) (record.Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 || s.pending[0].kind == 'S' {
		return record.Item{}, false
	}
	p := s.pending[0]
	if p.kind == 'E' {
		s.pending = s.pending[1:]
	}
	return s.outcome(p, record.Item{Tag: tag, Rows: max(s.rows, rowsOf(tag))}), true
}

// outcome fills in what is known and starts counting anew. The caller holds mu.
func (s *statements) outcome(p pending, it record.Item) record.Item {
	it.Kind, it.Ref, it.Took, it.Bytes = record.Outcome, p.ref, time.Since(p.began), s.bytes
	s.rows, s.bytes, s.copying = 0, 0, false
	return it
}

// rowsOf reads the count of a command tag: "UPDATE 38", "INSERT 0 3", "COPY 5".
func rowsOf(tag string) int64 {
	n, err := strconv.ParseInt(tag[strings.LastIndexByte(tag, ' ')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// failed is an error: of a Query it ends the whole of it, of the extended
// protocol everything up to the next Sync.
func (s *statements) failed(code, message string) (record.Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := record.Item{Error: cut(message, 4096), Code: code}
	if len(s.pending) == 0 || s.pending[0].kind == 'S' {
		// Of a Parse or a Bind: nothing was executed.
		it.Kind = record.Outcome
		return it, true
	}
	p := s.pending[0]
	if p.kind == 'E' {
		for len(s.pending) > 0 && s.pending[0].kind == 'E' {
			s.pending = s.pending[1:]
		}
	}
	return s.outcome(p, it), true
}

// ready is ReadyForQuery: the Query or the Sync it answers is over.
func (s *statements) ready() (record.Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copying = false
	for len(s.pending) > 0 {
		kind := s.pending[0].kind
		s.pending = s.pending[1:]
		if kind == 'Q' || kind == 'S' {
			break
		}
	}
	if len(s.pending) == 0 {
		s.pending = nil
	}
	return record.Item{}, false
}

func take0(b []byte) (string, []byte, bool) {
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), b[i+1:], true
		}
	}
	return "", nil, false
}

func take16s(b []byte) ([]uint16, []byte, bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if len(b) < 2*n {
		return nil, nil, false
	}
	out := make([]uint16, n)
	for i := range out {
		out[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return out, b[2*n:], true
}
