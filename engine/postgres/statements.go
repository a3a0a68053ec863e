package postgres

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/postgres/judge"
	"github.com/curfewhq/curfew/record"
)

// statements follows what a client asked and how it went, for the recording.
type statements struct {
	mu      sync.Mutex
	ref     uint64            // guarded by mu; the last one given
	texts   map[string]portal // guarded by mu; prepared statements that the target has confirmed
	portals map[string]portal // guarded by mu; likewise
	pending []pending         // guarded by mu; what the target will answer, in the order it was sent
	room    []pending         // guarded by mu; what pending begins in when it was empty
	last    told              // guarded by mu; the text that was looked at last
	named   int               // guarded by mu; how many of pending name something
	fresh   []record.Item     // guarded by mu; prepared or bound by messages that have not been sent yet
	rows    int64             // guarded by mu; of the statement under way
	bytes   int64             // guarded by mu; since the last outcome
	copying bool              // guarded by mu; the target takes copy data

	// Where results are recorded; nil: they are not.
	described map[string][]column // guarded by mu; columns of a prepared statement's result, by its text
	columns   []column            // guarded by mu; of the Query under way
}

type portal struct {
	text   string
	values []record.Value
	no     *judge.Refusal // why it was not sent; nil: it was
	// formats of the result, as in Bind, where results are recorded
	formats []byte
	// classes are what it comes to when it runs, where statements may have to wait.
	classes []curfew.StatementClass
}

// pending is something the target will answer: 'Q'uery, 'F'unctionCall, 'P'arse, 'B'ind,
// 'E'xecute, 'D'escribe where results are recorded, 'C'lose of a statement, 'c'lose of a portal, 'S'ync, or 'd' for the end of copy data.
type pending struct {
	kind   byte
	ref    uint64
	name   string // of P, B, C and c
	is     portal // of P and D (text alone), B and, where results are recorded, E
	secret bool   // of Q and E: its results are masked too
	fresh  int    // one more than its place in fresh; 0: said already
	lost   bool   // of P and B: SQL behind it may give its name another meaning
	began  time.Time
}

func newStatements() *statements {
	return &statements{texts: map[string]portal{}, portals: map[string]portal{}}
}

// told is what is known of a text without looking at it again: the same prepared
// statement is executed many times.
type told struct {
	text                   string
	secret, renames, opens bool
}

// tell looks at a text, unless it is the last one. The caller holds mu.
func (s *statements) tell(text string) told {
	if s.last.text == text && text != "" {
		return s.last
	}
	t := told{text: text, secret: secretive(text), renames: mentions(text, "deallocate", "discard", "prepare"), opens: opens(text)}
	if len(text) <= shortText { // a long one is not held for as long as the session lives
		s.last = t
	}
	return t
}

func (s *statements) next(kind byte) uint64 {
	s.ref++
	s.await(pending{kind: kind, ref: s.ref, began: time.Now()})
	return s.ref
}

// simple is a Query message; no: it is refused.
func (s *statements) simple(text string, no *judge.Refusal) record.Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	if no != nil {
		it := refusedItem(statementItem(s.next('Q'), text, nil, s.tell(text).secret), no)
		s.pending[len(s.pending)-1].is.no = no
		return it
	}
	s.bySQL(text)
	it := statementItem(s.next('Q'), text, nil, s.tell(text).secret)
	s.pending[len(s.pending)-1].secret = s.tell(text).secret
	return it
}

// bySQL forgets what names stand for where a statement may give them another
// meaning; what it says is in the recording itself.
func (s *statements) bySQL(text string) {
	if s.named == 0 && len(s.texts) == 0 && len(s.portals) == 0 {
		return
	}
	if s.tell(text).renames {
		s.forget('P', s.texts)
	}
	if s.tell(text).opens {
		s.forget('B', s.portals)
	}
}

// forget makes names unknown, also those that the target has not confirmed yet; SQL
// knows no empty one. The caller holds mu.
func (s *statements) forget(kind byte, names map[string]portal) {
	maps.DeleteFunc(names, func(name string, _ portal) bool { return name != "" })
	for i := range s.pending {
		if p := &s.pending[i]; p.kind == kind && p.name != "" {
			p.lost = true
		}
	}
}

// lose makes all names unknown: code ran that nobody could see into.
func (s *statements) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget('P', s.texts)
	s.forget('B', s.portals)
}

// opens reports whether a text may give the name of a portal another meaning. One that
// begins as most do cannot, alone: of several statements it may be the second.
func opens(text string) bool {
	if !mentions(text, "declare", "close", "discard") {
		return false
	}
	text = strings.Trim(text, "; \t\r\n")
	word := text[:max(strings.IndexAny(text, " \t\r\n("), 0)]
	switch strings.ToLower(word) {
	case "select", "with", "insert", "update", "delete", "values", "table", "merge":
		return strings.Contains(text, ";")
	}
	return true
}

// parse is a Parse message.
func (s *statements) parse(name string, is portal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ask('P', name, is)
}

// mostNamed bounds the names that one client makes us remember.
const mostNamed = 10_000

// shortText bounds the text that is kept only to save looking at it again.
const shortText = 4 << 10

// ask adds a message that gives or takes away a name. The caller holds mu.
func (s *statements) ask(kind byte, name string, is portal) error {
	if s.named >= mostNamed || len(s.texts) >= mostNamed || len(s.portals) >= mostNamed {
		return malformed("more than 10,000 prepared statements or portals")
	}
	p := pending{kind: kind, name: name, is: is}
	if kind == 'P' || kind == 'B' {
		it := statementItem(0, is.text, is.values, s.tell(is.text).secret)
		if it.Kind = record.Prepared; is.no != nil {
			it = refusedItem(it, is.no)
		}
		s.fresh = append(s.fresh, it)
		p.fresh = len(s.fresh)
	}
	s.await(p)
	s.named++
	return nil
}

// find returns what a name stands for: 'P' a statement, 'B' a portal. As long as
// the target has not answered, it may be one of several; then all are said. Of
// the messages since the last Sync the newest counts: if the target refuses it,
// it skips what follows as well. The caller holds mu.
func (s *statements) find(kind byte, name string) (found []portal, at *pending) {
	same := true
	for i := len(s.pending) - 1; i >= 0 && s.named > 0; i-- {
		p := &s.pending[i]
		switch {
		case p.kind == 'S' || p.kind == 'Q' || p.kind == 'F':
			same = false
		case p.lost:
		case p.kind == kind && p.name == name:
			found = append(found, p.is)
			if same {
				return found, p
			}
		}
	}
	if kind == 'P' {
		if is, ok := s.texts[name]; ok {
			found = append(found, is)
		}
	} else if is, ok := s.portals[name]; ok {
		found = append(found, is)
	}
	return found, nil
}

// one puts what a name may stand for into one text.
func one(found []portal, unknown string) portal {
	switch len(found) {
	case 0:
		return portal{text: unknown, classes: []curfew.StatementClass{curfew.ClassUnknown}}
	case 1:
		return found[0]
	}
	all := found[0]
	for _, p := range found[1:] {
		if p.no == nil {
			all.no = nil // it may be this one
		}
		all.classes = append(slices.Clone(all.classes), p.classes...)
		if p.text != all.text {
			all.text += "\n-- or, if the target refused that:\n" + p.text
			all.values = append(append([]record.Value(nil), all.values...), p.values...)
		}
	}
	return all
}

// said marks what an Execute has put into the recording. The caller holds mu.
func (s *statements) said(p *pending) {
	if p != nil && p.fresh > 0 && p.fresh <= len(s.fresh) {
		s.fresh[p.fresh-1].Kind = ""
		p.fresh = 0
	}
}

// unsaid returns what is about to be sent and no Execute has recorded.
func (s *statements) unsaid() (out []record.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.fresh {
		if it.Kind != "" {
			out = append(out, it)
		}
	}
	if len(s.fresh) > 0 {
		s.fresh = s.fresh[:0]
		for i := range s.pending {
			s.pending[i].fresh = 0
		}
	}
	return out
}

// bind is a Bind message: portal, statement, formats, values, result formats.
func (s *statements) bind(body []byte) error {
	name, stmt, values, formats, err := parseBind(body)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, at := s.find('P', stmt)
	is := one(found, "(prepared statement "+stmt+", made by PREPARE)")
	is.values = values
	if s.described != nil {
		is.formats = append(make([]byte, 0, len(formats)), formats...)
	}
	s.said(at) // its text goes with the values
	return s.ask('B', name, is)
}

// portalOf is what an Execute message would run.
func (s *statements) portalOf(body []byte) (portal, error) {
	name, rest, ok := takeName(body)
	if !ok || len(rest) != 4 {
		return portal{}, malformed("an Execute message of another form")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, _ := s.find('B', name)
	return one(found, "(portal "+name+", made by DECLARE)"), nil
}

// busy reports whether the target has not answered everything yet.
func (s *statements) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) > 0
}

// execute is an Execute message: portal, row limit; no: it is refused.
func (s *statements) execute(body []byte, no *judge.Refusal) (record.Item, error) {
	name, rest, ok := takeName(body)
	if !ok || len(rest) != 4 {
		return record.Item{}, malformed("an Execute message of another form")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, at := s.find('B', name)
	p := one(found, "(portal "+name+", made by DECLARE)")
	s.said(at)
	secret := s.tell(p.text).secret
	if secret { // they are masked where they lie
		p.values = slices.Clone(p.values)
	}
	it := statementItem(s.next('E'), p.text, p.values, secret)
	if p.no != nil {
		return refusedItem(it, p.no), nil
	}
	if no != nil {
		s.pending[len(s.pending)-1].is.no = no
		return refusedItem(it, no), nil
	}
	s.bySQL(p.text)
	if s.described != nil {
		last := &s.pending[len(s.pending)-1]
		last.secret, last.is = secret, portal{text: p.text, formats: p.formats}
	}
	return it, nil
}

func (s *statements) close(body []byte) error {
	if len(body) < 2 || body[len(body)-1] != 0 {
		return malformed("a Close message of another form")
	}
	name, rest, ok := takeName(body[1:])
	if !ok || len(rest) != 0 {
		return malformed("a Close message of another form")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch body[0] {
	case 'S':
		return s.ask('C', name, portal{})
	case 'P':
		return s.ask('c', name, portal{})
	}
	return malformed("a Close message of another form")
}

// confirm is the target's ParseComplete, BindComplete or CloseComplete.
func (s *statements) confirm(kind byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		return
	}
	p := s.pending[0]
	switch {
	case p.lost && (kind == '1' && p.kind == 'P' || kind == '2' && p.kind == 'B'):
	case kind == '1' && p.kind == 'P':
		s.texts[p.name] = portal{text: p.is.text, classes: p.is.classes}
	case kind == '2' && p.kind == 'B':
		s.portals[p.name] = p.is
	case kind == '3' && p.kind == 'C':
		delete(s.texts, p.name)
	case kind == '3' && p.kind == 'c':
		delete(s.portals, p.name)
	default:
		return
	}
	s.shift()
}

// await adds something the target will answer. The caller holds mu.
func (s *statements) await(p pending) {
	if s.room == nil {
		s.room = make([]pending, 0, 4) // as many as one execution of a prepared statement needs
		if len(s.pending) == 0 {
			s.pending = s.room
		}
	}
	s.pending = append(s.pending, p)
}

// shift drops the oldest of what is pending. The caller holds mu.
func (s *statements) shift() {
	switch s.pending[0].kind {
	case 'P', 'B', 'C', 'c':
		s.named--
	}
	s.pending[0] = pending{}
	if s.pending = s.pending[1:]; len(s.pending) == 0 {
		s.pending = s.room
	}
}

func (s *statements) sync() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.await(pending{kind: 'S'})
}

func (s *statements) copied(n int) {
	s.mu.Lock()
	s.bytes += int64(n)
	s.mu.Unlock()
}

// received counts what the target has sent: bytes, and rows of the statement under way.
func (s *statements) received(bytes, rows int) {
	s.mu.Lock()
	s.bytes += int64(bytes)
	s.rows += int64(rows)
	s.mu.Unlock()
}

func (s *statements) copyIn() {
	s.mu.Lock()
	s.copying = true
	s.mu.Unlock()
}

// copyEnd is the client's CopyDone or CopyFail.
func (s *statements) copyEnd() {
	s.mu.Lock()
	s.await(pending{kind: 'd'})
	s.mu.Unlock()
}

// copyOver ends a copy: the target ignored every Sync that came before its end. The caller holds mu.
func (s *statements) copyOver() {
	if !s.copying {
		return
	}
	s.copying = false
	for i, p := range s.pending {
		if p.kind != 'd' {
			continue
		}
		for range i + 1 {
			s.shift()
		}
		return
	}
}

// complete is the end of one statement; of a Query there may be several.
func (s *statements) complete(tag string) (record.Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 || s.pending[0].kind != 'E' && s.pending[0].kind != 'Q' && s.pending[0].kind != 'F' {
		return record.Item{}, false
	}
	p := s.pending[0]
	if p.kind == 'E' {
		s.shift()
		s.copyOver()
	}
	return s.outcome(p, record.Item{Tag: tag, Rows: max(s.rows, rowsOf(tag))}), true
}

// outcome fills in what is known and starts counting anew. The caller holds mu.
func (s *statements) outcome(p pending, it record.Item) record.Item {
	it.Kind, it.Ref, it.Took, it.Bytes = record.Outcome, p.ref, time.Since(p.began), s.bytes
	s.rows, s.bytes = 0, 0
	return it
}

// refusal returns why what the target answers next was not sent to it; nil if it was.
func (s *statements) refusal() *judge.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 || s.pending[0].kind != 'Q' && s.pending[0].kind != 'F' && s.pending[0].kind != 'P' && s.pending[0].kind != 'E' {
		return nil
	}
	return s.pending[0].is.no
}

// failed is an error: of a Query or a FunctionCall it ends the whole of it, of the extended
// protocol everything up to the next Sync. What an error is of is the first
// statement that would have been executed.
func (s *statements) failed(code, message string) (record.Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	it := record.Item{Error: cut(message, 4096), Code: code}
	if len(s.pending) > 0 && (s.pending[0].kind == 'Q' || s.pending[0].kind == 'F') {
		return s.outcome(s.pending[0], it), true
	}
	var of pending
	for len(s.pending) > 0 && s.pending[0].kind != 'S' {
		if p := s.pending[0]; p.kind == 'E' && of.ref == 0 {
			of = p
		}
		s.shift()
	}
	if of.ref == 0 { // of a Parse or a Bind alone: nothing was to be executed
		it.Kind = record.Outcome
		return it, true
	}
	return s.outcome(of, it), true
}

// ready is ReadyForQuery: the Query or the Sync it answers is over.
func (s *statements) ready() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copying = false
	for len(s.pending) > 0 {
		kind := s.pending[0].kind
		s.shift()
		if kind == 'Q' || kind == 'F' || kind == 'S' {
			return
		}
	}
}
