package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/curfewhq/curfew/record"
)

// Limits of what is recorded of results, where the policy has them recorded. What
// is beyond is counted.
const (
	resultValue   = 4 << 10   // bytes of one value
	resultRows    = 1000      // rows of one statement
	resultBytes   = 256 << 10 // bytes of one statement
	resultSession = 64 << 20  // bytes of one session
	mostColumns   = 1664      // PostgreSQL's own limit of a result
)

// results collects what the target answers, for the recording. It belongs to down.
type results struct {
	log     *statements
	types   *pgtype.Map
	session int // bytes kept so far

	of    asked // the statement under way
	known bool  // of is known
	rows  int   // of the statement, kept
	bytes int   // likewise
	named bool  // its columns have been said
	left  int64 // rows that are not kept, and not said yet
	table [][]record.Value
}

// asked is the statement that the target answers.
type asked struct {
	ref     uint64
	secret  bool
	columns []column
	formats []byte // 16 bits each, as in Bind; nil: as the columns say
}

// column is one of a result, as RowDescription has it.
type column struct {
	name   string
	oid    uint32
	binary bool
}

func newResults(log *statements) *results {
	log.described = map[string][]column{}
	return &results{log: log, types: pgtype.NewMap()}
}

// wants reports whether a message is looked at.
func (c *results) wants(kind byte) bool {
	switch kind {
	case 'D', 'd', 'T', 'n', 'V':
		return true
	}
	return false
}

// see takes a message of size bytes, or as much of it as is there.
func (c *results) see(kind byte, body []byte, size int) {
	switch kind {
	case 'T':
		var columns []column
		if len(body) == size {
			columns = parseColumns(body)
		}
		c.log.describes(columns)
		c.known = false
	case 'n':
		c.log.describes(nil)
	case 'D':
		c.row(body, size)
	case 'd', 'V':
		c.raw(kind, body, size)
	}
}

// afford reports whether one more row of so many bytes is kept.
func (c *results) afford(bytes int) bool {
	if !c.known {
		c.of, c.known = c.log.answered(), true
	}
	bytes = min(bytes, resultBytes)
	if c.rows >= resultRows || c.bytes+bytes > resultBytes || c.session+bytes > resultSession {
		c.left++
		return false
	}
	c.rows++
	c.bytes += bytes
	c.session += bytes
	return true
}

// row keeps a DataRow.
func (c *results) row(body []byte, size int) {
	if !c.afford(size) {
		return
	}
	if len(body) < 2 {
		return
	}
	n := min(int(binary.BigEndian.Uint16(body)), mostColumns)
	body = body[2:]
	row := make([]record.Value, 0, n)
	for i := range n {
		if len(body) < 4 {
			break // the rest of a row that is longer than what is looked at
		}
		size := int(int32(binary.BigEndian.Uint32(body)))
		body = body[4:]
		if size < 0 {
			row = append(row, record.Value{Null: true})
			continue
		}
		row = append(row, c.value(i, body[:min(size, len(body))], size))
		body = body[min(size, len(body)):]
	}
	c.table = append(c.table, row)
}

// raw keeps a piece of a copy, or what a function returned.
func (c *results) raw(kind byte, body []byte, size int) {
	if !c.afford(size) {
		return
	}
	if kind == 'V' {
		if len(body) < 4 || int32(binary.BigEndian.Uint32(body)) < 0 {
			c.table = append(c.table, []record.Value{{Null: true}})
			return
		}
		body, size = body[4:], size-4
	}
	c.table = append(c.table, []record.Value{c.text(body, size, kind == 'V')})
}

// value is one of a row, of which b is there.
func (c *results) value(i int, b []byte, size int) record.Value {
	var col column
	if i < len(c.of.columns) {
		col = c.of.columns[i]
	}
	if f := c.of.formats; len(f) == 2 {
		col.binary = f[1] == 1
	} else if 2*i+1 < len(f) {
		col.binary = f[2*i+1] == 1
	}
	if c.of.secret {
		return record.Value{Text: "***"}
	}
	if col.binary && size == len(b) && size <= resultValue {
		if text, ok := c.decode(col.oid, b); ok {
			return record.Value{Text: text}
		}
	}
	return c.text(b, size, col.binary)
}

// text is a value as the target wrote it.
func (c *results) text(b []byte, size int, binaryFormat bool) record.Value {
	if c.of.secret {
		return record.Value{Text: "***"}
	}
	b = b[:min(len(b), resultValue)]
	v := record.Value{Cut: size - len(b)}
	if v.Cut > 0 && !binaryFormat { // a character that is cut in two is none
		for i := 0; i < utf8.UTFMax && len(b) > 0 && !utf8.Valid(b[max(0, len(b)-utf8.UTFMax):]); i++ {
			b = b[:len(b)-1]
			v.Cut++
		}
	}
	if binaryFormat || !utf8.Valid(b) {
		v.Binary, v.Text = true, hex.EncodeToString(b)
		return v
	}
	v.Text = string(b)
	return v
}

// decode gives the text of a value in the binary format, of the types that are
// common; others stay hexadecimal. What a target sends is a stranger's.
func (c *results) decode(oid uint32, b []byte) (text string, ok bool) {
	defer func() {
		if recover() != nil {
			text, ok = "", false
		}
	}()
	switch oid {
	case pgtype.ByteaOID:
		return "", false
	case pgtype.JSONBOID: // a version, and the text
		return string(b[1:]), b[0] == 1 && utf8.Valid(b)
	case pgtype.JSONOID, pgtype.TextOID, pgtype.VarcharOID, pgtype.NameOID, pgtype.BPCharOID:
		return string(b), utf8.Valid(b)
	case pgtype.NumericOID: // a few bytes may stand for 100,000 digits
		if len(b) < 8 || int(int16(binary.BigEndian.Uint16(b[2:])))*4 > resultValue || int(binary.BigEndian.Uint16(b[6:])) > resultValue {
			return "", false
		}
	}
	t, known := c.types.TypeForOID(oid)
	if !known {
		return "", false
	}
	v, err := t.Codec.DecodeValue(c.types, oid, pgtype.BinaryFormatCode, b)
	if err != nil {
		return "", false
	}
	out, err := c.types.Encode(oid, pgtype.TextFormatCode, v, nil)
	return string(out), err == nil && len(out) <= 4*resultValue && utf8.Valid(out)
}

// flush returns what has been collected and not said; it is recorded before the
// bytes that it speaks of go on.
func (c *results) flush() (record.Item, bool) {
	if len(c.table) == 0 && c.left == 0 {
		return record.Item{}, false
	}
	it := record.Item{Kind: record.Result, Ref: c.of.ref, Table: c.table, Left: c.left}
	if !c.named && len(c.table) > 0 {
		c.named = true
		for _, col := range c.of.columns {
			it.Columns = append(it.Columns, cut(strings.ToValidUTF8(col.name, "?"), 256))
		}
	}
	c.table, c.left = nil, 0
	return it, true
}

// over ends the statement under way.
func (c *results) over() {
	c.known, c.named, c.rows, c.bytes = false, false, 0, 0
	c.log.undescribe()
}

// parseColumns reads a RowDescription; nil if it is none.
func parseColumns(body []byte) []column {
	if len(body) < 2 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(body))
	body = body[2:]
	columns := make([]column, 0, min(n, mostColumns))
	for range n {
		name, rest, ok := take0(body)
		if !ok || len(rest) < 18 {
			return nil
		}
		columns = append(columns, column{name: name, oid: binary.BigEndian.Uint32(rest[6:]), binary: binary.BigEndian.Uint16(rest[16:]) == 1})
		body = rest[18:]
	}
	return columns
}

// pass records what has been collected, and then gives bytes to the client.
func (r *relay) pass(b []byte, boundary bool) error {
	if err := r.saved(); err != nil {
		return err
	}
	return r.write(b, boundary)
}

func (r *relay) saved() error {
	if r.results == nil {
		return nil
	}
	if it, ok := r.results.flush(); ok {
		return r.s.Observe(it)
	}
	return nil
}

// answered ends what was collected for a statement, before its outcome is recorded.
func (r *relay) answered() error {
	if r.results == nil {
		return nil
	}
	if err := r.saved(); err != nil {
		return err
	}
	r.results.over()
	return nil
}

// describe is the client's Describe message, followed only where results are recorded.
func (s *statements) describe(body []byte) error {
	if len(body) < 2 || body[len(body)-1] != 0 || body[0] != 'S' && body[0] != 'P' {
		return malformed("a Describe message of another form")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.described == nil {
		return nil
	}
	kind := byte('P')
	if body[0] == 'P' {
		kind = 'B'
	}
	name, rest, ok := takeName(body[1:])
	if !ok || len(rest) != 0 {
		return malformed("a Describe message of another form")
	}
	found, _ := s.find(kind, name)
	s.await(pending{kind: 'D', is: portal{text: one(found, "").text}})
	return nil
}

// mostDescribed bounds the results whose columns are remembered.
const mostDescribed = 1000

// describes is the target's RowDescription or NoData.
func (s *statements) describes(columns []column) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return
	}
	switch p := s.pending[0]; p.kind {
	case 'Q':
		s.columns = columns
	case 'D':
		if len(s.described) >= mostDescribed {
			clear(s.described)
		}
		if columns != nil && len(p.is.text) <= shortText {
			s.described[p.is.text] = columns
		}
		s.shift()
	}
}

// undescribe forgets the columns of a Query's statement that is over.
func (s *statements) undescribe() {
	s.mu.Lock()
	s.columns = nil
	s.mu.Unlock()
}

// answered is the statement that the target answers now.
func (s *statements) answered() asked {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return asked{}
	}
	p := s.pending[0]
	a := asked{ref: p.ref, secret: p.secret}
	switch p.kind {
	case 'Q':
		a.columns = s.columns
	case 'E':
		a.columns, a.formats = s.described[p.is.text], p.is.formats
		if a.formats == nil {
			a.formats = []byte{0, 0} // text
		}
	}
	return a
}
