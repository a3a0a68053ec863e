package mysql

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
)

// asking is a statement that the gateway answers itself: as it stands, alone, as a text.
// Whatever looks otherwise goes to the target, which has no such database.
type asking struct {
	text   string // what is recorded
	column string
	more   bool // asks for more time
	by     string
	reason string
}

// mostAsking is how long such a text may be.
const mostAsking = 4 << 10

var (
	statusText = regexp.MustCompile(`(?i)^(?:select|call)\s+curfew\.status\(\s*\)\s*;?$`)
	extendText = regexp.MustCompile(`(?i)^(?:select|call)\s+curfew\.extend\(\s*'((?:[^'\\]|'')*)'\s*,\s*'((?:[^'\\]|'')*)'\s*\)\s*;?$`)
)

// asks finds such a statement.
func asks(text string) (asking, bool) {
	if len(text) > mostAsking || !mentions(text, "curfew.") || !utf8.ValidString(text) {
		return asking{}, false
	}
	text = strings.TrimSpace(text)
	if statusText.MatchString(text) {
		return asking{text: text, column: "status"}, true
	}
	if m := extendText.FindStringSubmatch(text); m != nil {
		return asking{text: text, column: "extend", more: true, by: strings.ReplaceAll(m[1], "''", "'"), reason: strings.ReplaceAll(m[2], "''", "'")}, true
	}
	return asking{}, false
}

// answerOwn answers such a statement: the target never sees it.
func (r *relay) answerOwn(c command, a asking) error {
	began := time.Now()
	r.ref++
	if err := r.s.Observe(statementItem(r.ref, a.text, nil)); err != nil {
		return err
	}
	text, refused := r.status(), error(nil)
	if a.more {
		text, refused = r.more(a)
	}
	out := record.Item{Kind: record.Outcome, Ref: r.ref, Rows: 1, Took: time.Since(began)}
	payloads := oneRow(a.column, text)
	if refused != nil {
		number, words := notDone(refused)
		out.Rows, out.Error, out.Code = 0, words, itoa(uint64(number))
		payloads = [][]byte{errPayload(number, "42000", words)}
	}
	if err := r.s.Observe(out); err != nil {
		return err
	}
	return r.instead(c, payloads...)
}

// oneRow is a result of one row and one column.
func oneRow(name, text string) [][]byte {
	eof := []byte{eofHeader, 0, 0, autocommit, 0}
	return [][]byte{{1}, column(name), eof, appendText(nil, text), eof}
}

// status is what the session is.
func (r *relay) status() string {
	p := r.s.Permit()
	end := p.End()
	return fmt.Sprintf("%s as %s until %s (%s left), grant %s", p.Resource().Name, p.Grant().Role, end.Format("15:04"),
		say.Duration(time.Until(end).Truncate(time.Minute)), p.Grant().ID)
}

// moreBound is how long asking may take.
const moreBound = 10 * time.Second

// more asks for more time.
func (r *relay) more(a asking) (string, error) {
	if r.open.Load() {
		return "", curfew.Errorf(curfew.Invalid, "more time is asked for outside of a transaction").WithRule("request.inside").WithFix("COMMIT or ROLLBACK first, or run: curfew extend %s", r.s.Permit().Grant().ID)
	}
	d, err := span(a.by)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(r.s.Context(), moreBound)
	defer cancel()
	return r.s.More(ctx, d, a.reason)
}

// span reads a duration as people and servers write it.
func span(text string) (time.Duration, error) {
	return engine.Span(text, "CALL curfew.extend('15 min', 'still restoring')")
}

// notDone is a refusal of what the gateway was asked to do.
func notDone(err error) (number uint16, words string) {
	e := asError(err)
	if e == nil {
		e = curfew.Errorf(curfew.Unavailable, "it could not be asked").WithFix("curfew extend")
	}
	number = 1227 // ER_SPECIFIC_ACCESS_DENIED_ERROR
	if e.Code == curfew.Invalid {
		number = 1210 // ER_WRONG_ARGUMENTS
	}
	return number, sentence("Curfew: "+e.Message, e.Fix)
}
