package mysql

import (
	"encoding/binary"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/mysql/judge"
	"github.com/curfewhq/curfew/record"
)

// Bounds of what is kept of prepared statements (a server's max_prepared_stmt_count is 16,382).
const (
	mostPrepared  = 16 << 10
	preparedBytes = 64 << 20
)

// errManyPrepared is ER_MAX_PREPARED_STMT_COUNT_REACHED.
const errManyPrepared = 1461

// lastPrepared stands for the statement that was prepared last, where a client sends
// both at once (MariaDB, COM_STMT_EXECUTE).
const lastPrepared = 0xffffffff

// plan is a prepared statement.
type plan struct {
	text    string
	classes []curfew.StatementClass // what running it comes to, where statements are held
	params  uint32
	types   []byte            // two bytes each, as they were last bound
	sent    map[uint16][]byte // parts that came ahead, as far as they are recorded
	cut     map[uint16]int    // bytes of them that are not
	ref     uint64            // of its last execution
	fields  []field           // of its last result, where results are recorded
}

// prepared are the statements that the target has prepared. They belong to who has
// the relay's turn.
type prepared struct {
	plans map[uint32]*plan
	last  uint32
	bytes int
}

func (p *prepared) full(text []byte) bool {
	return len(p.plans) >= mostPrepared || p.bytes+min(len(text), textLimit) > preparedBytes
}

func (p *prepared) add(a *answer) {
	if p.plans == nil {
		p.plans = map[uint32]*plan{}
	}
	p.drop(a.id)
	p.plans[a.id] = &plan{text: a.text, classes: a.classes, params: a.params}
	p.bytes += len(a.text)
	p.last = a.id
}

func (p *prepared) drop(id uint32) {
	if old := p.plans[id]; old != nil {
		p.bytes -= len(old.text)
		delete(p.plans, id)
	}
}

func (p *prepared) clear() { *p = prepared{} }

// find reads a statement's number at the start of a body.
func (p *prepared) find(c *cursor) *plan {
	id := uint32(c.number(4))
	if id == lastPrepared {
		id = p.last
	}
	return p.plans[id]
}

func (p *prepared) close(body []byte) {
	c := cursor{b: body}
	if id := uint32(c.number(4)); !c.short {
		p.drop(id)
	}
}

func (p *prepared) reset(body []byte) {
	c := cursor{b: body}
	if s := p.find(&c); s != nil {
		s.sent, s.cut = nil, nil
	}
}

// long keeps a part of a value that comes ahead of its statement's execution, where it
// is recorded.
func (p *prepared) long(body []byte) error {
	c := cursor{b: body}
	s := p.find(&c)
	param := uint16(c.number(2))
	if c.short {
		return malformed("a long value that is cut short")
	}
	if s == nil || uint32(param) >= s.params {
		return nil // the target says so when it is executed
	}
	if s.sent == nil {
		s.sent, s.cut = map[uint16][]byte{}, map[uint16]int{}
	}
	data := c.rest()
	keep := min(len(data), valueLimit-len(s.sent[param]))
	s.sent[param] = append(s.sent[param], data[:keep]...)
	s.cut[param] += len(data) - keep
	return nil
}

// prepare is COM_STMT_PREPARE. The statement is recorded when it is executed, with its
// values; that it was prepared is recorded too, because the target may act on it.
func (r *relay) prepare(c command, body []byte) error {
	if r.prepared.full(body) {
		return r.no(c, errManyPrepared, "too many prepared statements are open on this connection")
	}
	if may, err := r.mayRun(c, string(body), func(j *judge.Judge) *judge.Refusal { return j.Judge(string(body)) }); !may {
		return err
	}
	r.warned = ""
	r.ref++
	a := newAnswer(planned, r.ref)
	a.text = string(body[:min(len(body), textLimit)])
	if r.holds != nil {
		a.classes = r.holds.classes(string(body))
	}
	it := statementItem(r.ref, string(body), nil)
	it.Kind = record.Prepared
	if err := r.s.Observe(it); err != nil {
		return err
	}
	return r.forward(c, c.raw, a)
}

// errUnknownPlan is ER_UNKNOWN_STMT_HANDLER.
const errUnknownPlan = 1243

// execute is COM_STMT_EXECUTE.
func (r *relay) execute(c command, body []byte) error {
	cur := cursor{b: body}
	s := r.prepared.find(&cur)
	if s == nil {
		return r.instead(c, errPayload(errUnknownPlan, "HY000", "Unknown prepared statement handler given to EXECUTE"))
	}
	values, err := s.bind(&cur)
	if err != nil {
		return err
	}
	if may, err := r.released(c, s.text, values, s.classes); !may {
		return err
	}
	a := newAnswer(results, 0)
	a.kept, a.plan = r.keeps(s.text, true), s
	err = r.statement(c, c.raw, a, s.text, values)
	s.ref, s.sent, s.cut = a.ref, nil, nil
	return err
}

// fetch is COM_STMT_FETCH: more rows of what was executed.
func (r *relay) fetch(c command, body []byte) error {
	cur := cursor{b: body}
	a := newAnswer(fetched, 0)
	if s := r.prepared.find(&cur); s != nil {
		a.ref = s.ref
		if a.kept = r.keeps(s.text, true); a.kept != nil {
			a.kept.fields, a.kept.named = s.fields, true
		}
	}
	return r.forward(c, c.raw, a)
}

// bind reads the flags and the values of an execution, behind the statement's number.
func (s *plan) bind(c *cursor) ([]record.Value, error) {
	c.take(1 + 4) // flags, and a count that is always one
	if c.short {
		return nil, malformed("an execution that is cut short")
	}
	if s.params == 0 {
		return nil, nil
	}
	nulls := c.take(uint64(s.params+7) / 8)
	if c.number(1) == 1 {
		s.types = append([]byte(nil), c.take(2*uint64(s.params))...)
	}
	if c.short || len(s.types) != 2*int(s.params) {
		return nil, malformed("values without their types")
	}
	out := make([]record.Value, s.params)
	kept := 0
	for i := range out {
		sent, ahead := s.sent[uint16(i)]
		switch kind := s.types[2*i]; {
		case ahead:
			out[i] = textValue(sent, valueLimit)
			out[i].Cut += s.cut[uint16(i)]
		case nulls[i/8]&(1<<(i%8)) != 0 || kind == typeNull:
			out[i] = record.Value{Null: true}
		default:
			v, err := readValue(c, kind, s.types[2*i+1]&0x80 != 0)
			if err != nil {
				return nil, err
			}
			out[i] = v
		}
		if kept += len(out[i].Text); kept > valuesLimit {
			out[i] = record.Value{Cut: len(out[i].Text) + out[i].Cut}
		}
	}
	if len(c.b) > 0 {
		return nil, malformed("more values than a statement has")
	}
	return out, nil
}

// bits reads a number as its own bytes.
func bits(b []byte) uint64 {
	var n [8]byte
	copy(n[:], b)
	return binary.LittleEndian.Uint64(n[:])
}

func unknownType(kind byte) error {
	return curfew.Errorf(curfew.Invalid, "this is not MySQL's protocol: a value of the type 0x%02x", kind).WithRule("protocol")
}
