package mysql

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/mysql/judge"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// mostHeld bounds a statement that may be released, with its values: whoever
// releases it sees all of it.
const mostHeld = 64 << 10

// mostNamed bounds how many names of prepared statements are remembered.
const mostNamed = 10000

// deepestName bounds names that stand for names.
const deepestName = 8

// Holds are the classes that statements are told apart by (judge.FormsOf). What the
// protocol has no word for is never held.
func (*Engine) Holds() []curfew.StatementClass {
	return slices.DeleteFunc(curfew.StatementClasses(), func(c curfew.StatementClass) bool { return c == curfew.ClassMerge })
}

// holding knows what the statements of a session come to, and keeps the one that waits.
type holding struct {
	count uint64                 // of what was held; up's
	named map[string]judge.Forms // what names of PREPARE stand for, or ever stood for; up's
	lost  bool                   // code ran: names may stand for others, and texts may mean something else; up's

	mu     sync.Mutex
	cancel context.CancelCauseFunc // of the statement that waits; nil: none does; guarded by mu
}

func newHolding() *holding { return &holding{named: map[string]judge.Forms{}} }

// reset is what a session is after COM_RESET_CONNECTION: pinned again, and with no names.
func (h *holding) reset() {
	if h != nil {
		h.named, h.lost = map[string]judge.Forms{}, false
	}
}

// classes are what a text comes to. What the grammar cannot read, or the target may read
// otherwise, is unknown.
func (h *holding) classes(text string) []curfew.StatementClass {
	f, err := judge.FormsOf(text)
	if err != nil || h.lost {
		return []curfew.StatementClass{curfew.ClassUnknown}
	}
	for name, is := range f.Prepares {
		if was, known := h.named[name]; known || len(h.named) < mostNamed {
			h.named[name] = judge.Forms{Classes: append(slices.Clone(was.Classes), is.Classes...), Executes: append(slices.Clone(was.Executes), is.Executes...)}
		}
	}
	return h.resolve(f, 0)
}

// resolve adds what the names in a text stand for.
func (h *holding) resolve(f judge.Forms, depth int) []curfew.StatementClass {
	out := slices.Clone(f.Classes)
	for _, name := range f.Executes {
		is, known := h.named[name]
		if !known || depth >= deepestName {
			out = append(out, curfew.ClassCode)
			continue
		}
		out = append(out, h.resolve(is, depth+1)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// released waits, where the policy says so, until somebody has released the statement;
// false: it is not sent, and the client knows, or the session is over.
func (r *relay) released(c command, text string, values []record.Value, classes []curfew.StatementClass) (bool, error) {
	if r.holds == nil {
		return true, nil
	}
	held := r.s.Release().Holds(classes)
	if len(held) == 0 {
		return true, nil
	}
	h, salt, no := r.heldStatement(text, values, held)
	if no != nil {
		return false, r.refused(c, statementItem(0, text, slices.Clone(values)), no)
	}
	if err := r.s.Observe(record.Item{Kind: record.Held, Text: h.Text, Values: h.Values, Code: string(h.Statement), Tag: salt}); err != nil {
		return false, err
	}
	ctx, done := r.wait()
	_, err := r.s.Hold(ctx, h, r.told)
	if leftErr := done(); leftErr != nil {
		return false, leftErr
	}
	if r.s.Permit().Over() {
		return false, errLeft // the farewell says why
	}
	if back := asError(context.Cause(ctx)); err == nil && back != nil && back.Rule == takenBack {
		err = back // in the moment in which it was released
	}
	if err != nil {
		return false, r.refused(c, statementItem(0, text, slices.Clone(values)), notReleased(err))
	}
	if slices.Contains(classes, curfew.ClassCode) || slices.Contains(classes, curfew.ClassUnknown) {
		r.holds.lost = true
	}
	return true, nil
}

// told records what a client that waits would be told, had the protocol a word for it
// before the answer.
func (r *relay) told(n say.Notice) error {
	return r.s.Observe(record.Item{Kind: record.Notice, Text: n.String()})
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
	open := r.open.Load()
	sealed, _ := json.Marshal(struct { // strings and numbers always marshal
		Domain, Salt, Session string
		Count                 uint64
		Open                  bool
		Text                  string
		Values                []record.Value
	}{"curfew held statement v1, mysql", salt, string(r.s.Permit().Session()), r.holds.count, open, text, values})
	sum := sha256.Sum256(sealed)
	it := statementItem(0, text, slices.Clone(values))
	return session.Held{
		Statement: curfew.StatementID(curfew.NewID("st")), Classes: classes, Text: it.Text, Values: it.Values, Masked: secretive(text), Open: open, Digest: sum[:],
	}, salt, nil
}

// notReleased is why a statement was not sent, in words for whoever sent it.
func notReleased(err error) *judge.Refusal {
	e := asError(err)
	if e == nil {
		e = curfew.Errorf(curfew.Unavailable, "nobody could be asked to release this statement").WithRule("release.unavailable").WithFix("try again in a moment")
	}
	rule := e.Rule
	if rule == "" {
		rule = string(e.Code)
	}
	return &judge.Refusal{Rule: rule, What: strings.TrimPrefix(e.Message, "Curfew: "), Fix: e.Fix}
}

// takenBack is the rule of a statement that its own client cancelled.
const takenBack = "release.withdrawn"

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
