package postgres

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/postgres/judge"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// mostHeld bounds a statement that may be released, with its values: whoever
// releases it sees all of it.
const mostHeld = 64 << 10

// Holds are the classes that statements are told apart by (judge.Forms).
func (*Engine) Holds() []curfew.StatementClass { return curfew.StatementClasses() }

// holding knows what the statements of a session come to, and keeps the one that waits.
type holding struct {
	parser *judge.Parser
	count  uint64 // of what was held; up's

	// What names stand for, or ever stood for: a name that is given another meaning may
	// not have taken it. up's.
	prepared, cursors map[string]judge.Forms
	lost              bool // code ran that may have made others; up's
	ran               bool // code, with the message before this one: names of the protocol may stand for something else; up's
	executed          bool // something, since the last Sync: settings that it changed may be said with the answer to that; up's

	// doubtful: strings with backslashes may end elsewhere for the target than for the grammar.
	doubtful atomic.Bool
	strings  atomic.Bool // standard_conforming_strings is on
	utf8     atomic.Bool // client_encoding is UTF8

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the statement that waits; nil: none does; guarded by mu
}

func newHolding(p *judge.Parser, status map[string]string) *holding {
	h := &holding{parser: p, prepared: map[string]judge.Forms{}, cursors: map[string]judge.Forms{}}
	h.parameter("standard_conforming_strings", status["standard_conforming_strings"])
	h.parameter("client_encoding", status["client_encoding"])
	return h
}

// unhidden refuses to start a session, of which statements are held, with a path on which
// others stand before PostgreSQL's own functions (judge.Forms); set by a statement it waits.
func unhidden(params map[string]string) error {
	for name, value := range params {
		if strings.Contains(strings.ToLower(strings.ReplaceAll(value, `\`, "")), "pg_catalog") {
			return curfew.Errorf(curfew.Denied, "a session in which statements wait for a release cannot start with %q in its %s", "pg_catalog", say.Clean(name, 64)).
				WithRule(judge.RuleParameter).WithFix("leave it out: it is searched first by itself")
		}
	}
	return nil
}

// parameter hears what the target reports of its settings.
func (h *holding) parameter(name, value string) {
	switch name {
	case "standard_conforming_strings":
		h.strings.Store(value == "on")
	case "client_encoding":
		h.utf8.Store(value == "UTF8")
	default:
		return
	}
	h.doubtful.Store(!h.strings.Load() || !h.utf8.Load())
}

// parameter is the target's ParameterStatus.
func (r *relay) parameter(body []byte) {
	if r.holds == nil {
		return
	}
	if name, rest, ok := take0(body); ok {
		r.holds.parameter(name, tagOf(rest))
	}
}

// classes are what a text comes to. What the grammar cannot read, or may read otherwise
// than the target does, is unknown.
func (r *relay) classes(text string) []curfew.StatementClass {
	h := r.holds
	f, err := h.parser.Forms(text)
	if err != nil || strings.Contains(text, `\`) && (h.doubtful.Load() || h.executed || r.log.busy()) {
		return []curfew.StatementClass{curfew.ClassUnknown}
	}
	h.learn(f)
	return h.resolve(f, 0)
}

// deepest bounds names that stand for names.
const deepest = 8

// resolve adds what the names in a text stand for.
func (h *holding) resolve(f judge.Forms, depth int) []curfew.StatementClass {
	out := slices.Clone(f.Classes)
	for _, names := range []struct {
		used []string
		of   map[string]judge.Forms
	}{{f.Executes, h.prepared}, {f.Fetches, h.cursors}} {
		for _, name := range names.used {
			is, ok := names.of[name]
			if !ok || depth >= deepest || h.lost {
				out = append(out, curfew.ClassCode)
				continue
			}
			out = append(out, h.resolve(is, depth+1)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// learn remembers what a text gives names to, whether or not it will be sent.
func (h *holding) learn(f judge.Forms) {
	for name, is := range f.Prepares {
		h.name(h.prepared, name, is)
	}
	for name, is := range f.Declares {
		h.name(h.cursors, name, is)
	}
}

// name adds a meaning to a name. With too many names, nothing more is known of any other.
func (h *holding) name(names map[string]judge.Forms, name string, is judge.Forms) {
	if _, known := names[name]; !known && len(names) >= mostNamed || !plain(name) {
		return // what it stands for stays unknown
	}
	all := names[name]
	for _, c := range h.resolve(is, 0) {
		if !slices.Contains(all.Classes, c) {
			all.Classes = append(slices.Clone(all.Classes), c)
		}
	}
	names[name] = all
}

// plain reports whether a name is what it seems to the target too, which cuts names
// and may convert them (takeName).
func plain(name string) bool {
	_, _, ok := takeName(append([]byte(name), 0))
	return ok && len(name) < nameBytes
}

// mayPass decides over the text of a simple query: the judge first, then whoever
// must release it. What may not pass is spoiled where it lies.
func (r *relay) mayPass(text string, body []byte) (*judge.Refusal, error) {
	if no := r.judge(body); no != nil || r.holds == nil || text == "" {
		return no, nil
	}
	no, err := r.release(text, nil, r.classes(text))
	if no != nil {
		spoil(body)
	}
	return no, err
}

// named is what a Parse message's text comes to; EXECUTE may run it by its name.
func (r *relay) named(name, text string) []curfew.StatementClass {
	if r.holds == nil {
		return nil
	}
	classes := r.classes(text)
	if name != "" {
		r.holds.name(r.holds.prepared, name, judge.Forms{Classes: classes})
	}
	return classes
}

// bound is a Bind message that names a portal: FETCH may run it by its name.
func (r *relay) bound(body []byte) {
	if r.holds == nil || len(body) == 0 || body[0] == 0 {
		return
	}
	name, _, _ := takeName(body)
	is, err := r.log.portalOf(append(append([]byte(name), 0), 0, 0, 0, 0))
	if err == nil {
		r.holds.name(r.holds.cursors, name, judge.Forms{Classes: is.classes})
	}
}

// protocolViolation is how the target answers an Execute that was spoiled.
const protocolViolation = "08P01"

// execute is an Execute message. One that may not pass goes on as a Describe of
// nothing, of the same length: the target answers with an error in its place, and
// skips what follows up to the next Sync.
func (r *relay) execute(body []byte) error {
	var no *judge.Refusal
	if r.holds != nil {
		is, err := r.log.portalOf(body)
		if err != nil {
			return err
		}
		if is.no == nil {
			if no, err = r.release(is.text, is.values, is.classes); err != nil {
				return err
			}
		}
	}
	it, err := r.log.execute(body, no)
	if err != nil {
		return err
	}
	if no != nil {
		r.spoilExecute(body)
	}
	if r.holds != nil {
		r.holds.executed = true
	}
	return r.s.Observe(it)
}

func (r *relay) spoilExecute(body []byte) {
	for i := range body {
		body[i] = '}'
	}
	body[0], body[len(body)-1] = 'X', 0 // neither a statement nor a portal
	r.instead = 'D'
}

// release waits, where the policy says so, until somebody has released the statement.
// A refusal: it must not be sent; an error: the session is over.
func (r *relay) release(text string, values []record.Value, classes []curfew.StatementClass) (*judge.Refusal, error) {
	held := r.s.Release().Holds(classes)
	if len(held) == 0 {
		return nil, nil
	}
	h, salt, no := r.heldStatement(text, values, held)
	if no != nil {
		return no, nil
	}
	it := record.Item{Kind: record.Held, Text: h.Text, Values: h.Values, Code: string(h.Statement), Tag: salt}
	if err := r.s.Observe(it); err != nil {
		return nil, err
	}
	ctx, done := r.wait()
	by, err := r.s.Hold(ctx, h, r.tell)
	if leftErr := done(); leftErr != nil {
		return nil, leftErr
	}
	if r.s.Permit().Over() {
		return nil, err
	}
	if back := asError(context.Cause(ctx)); err == nil && back != nil && back.Rule == takenBack {
		err = back // in the moment in which it was released
	}
	if err != nil {
		return notReleased(err), nil
	}
	if slices.Contains(classes, curfew.ClassCode) || slices.Contains(classes, curfew.ClassUnknown) {
		r.holds.lost, r.holds.ran = true, true
	}
	return nil, r.tell(say.Notice{Line: say.Clean("Curfew: "+strings.Join(by, " and ")+" released this statement.", say.MaxLine)})
}

// heldStatement is what is shown of a statement, all of it, and what a release of it is for.
func (r *relay) heldStatement(text string, values []record.Value, classes []curfew.StatementClass) (h session.Held, salt string, no *judge.Refusal) {
	size := len(text)
	for _, v := range values {
		size += len(v.Text) + v.Cut
	}
	if size > mostHeld || slices.ContainsFunc(values, func(v record.Value) bool { return v.Cut > 0 }) {
		return h, "", &judge.Refusal{Rule: "release.long", What: "this statement waits for a release, and is too long to be shown whole to whoever releases it", Fix: "at most 64 kB with its values; split it"}
	}
	r.holds.count++
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	salt = hex.EncodeToString(random[:])
	state := string(rune(r.turns.state.Load()))
	sealed, _ := json.Marshal(struct { // strings and numbers always marshal
		Domain, Salt, Session string
		Count                 uint64
		State, Text           string
		Values                []record.Value
	}{"curfew held statement v1", salt, string(r.s.Permit().Session()), r.holds.count, state, text, values})
	sum := sha256.Sum256(sealed)
	it := statementItem(0, text, slices.Clone(values), secretive(text))
	return session.Held{
		Statement: curfew.StatementID(curfew.NewID("st")), Classes: classes, Text: it.Text, Values: it.Values, Masked: secretive(text),
		Open: state != "I" || r.log.busy(), Digest: sum[:],
	}, salt, nil
}

// notReleased is why a statement was not sent, in words for whoever sent it.
func notReleased(err error) *judge.Refusal {
	e := asError(err)
	if e == nil {
		e = curfew.Errorf(curfew.Unavailable, "nobody could be asked to release this statement").WithRule("release.unavailable").WithFix("try again in a moment")
	}
	return &judge.Refusal{Rule: ruleOf(e), What: e.Message, Fix: e.Fix}
}

// takenBack is the rule of a statement that its own client cancelled.
const takenBack = "release.withdrawn"

// sqlstateOf is a refusal's SQLSTATE.
func sqlstateOf(f *judge.Refusal) string {
	if f.Rule == takenBack {
		return "57014" // query_canceled
	}
	return insufficientPrivilege
}

// takeBack ends the wait of a statement that waits, as its client asks; false: none does.
func (r *relay) takeBack() bool {
	if r.holds == nil {
		return false
	}
	r.holds.mu.Lock()
	defer r.holds.mu.Unlock()
	if r.holds.cancel == nil {
		return false
	}
	r.holds.cancel(curfew.Errorf(curfew.Denied, "%s", say.NotReleased(curfew.CauseWithdrawn, "", "", time.Time{})).WithRule(takenBack))
	return true
}

// tell tells the client how things are at the next boundary of a message, and records it.
func (r *relay) tell(n say.Notice) error {
	buf, err := notice("NOTICE", "00000", n).Encode(nil)
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "encode a notice")
	}
	if err := r.note(n); err != nil {
		return err
	}
	for end := time.Now().Add(tellBound); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if told, err := r.tellNow(buf); told || err != nil {
			return err
		}
	}
	return nil // an answer is under way all the time: it is told the next thing
}

func (r *relay) tellNow(buf []byte) (told bool, err error) {
	r.toClient.Lock()
	defer r.toClient.Unlock()
	if !r.boundary {
		return false, nil
	}
	if r.s.Permit().Over() {
		return true, errTargetLeft
	}
	r.boundary = false
	_, err = r.client.Write(buf)
	r.boundary = err == nil
	return true, err
}
