package mysql

import (
	"time"

	"github.com/curfewhq/curfew"
)

// phase is where in an answer the target is.
type phase byte

const (
	head        phase = iota // an OK, an ERR, or how many columns follow
	definitions              // so many packets that say nothing of how it goes
	divider                  // the EOF behind them
	rows                     // until an EOF or an ERR
)

// shape is what kind of answer a command gets (client/server protocol, "Command Phase").
type shapeOf byte

const (
	results shapeOf = iota // of COM_QUERY, COM_STMT_EXECUTE: one or several
	single                 // one packet, whatever it says
	fetched                // rows, or definitions, until an EOF or an ERR
	planned                // of COM_STMT_PREPARE
)

// answer is what the target owes for one command, and what it has come to.
type answer struct {
	shape   shapeOf
	ref     uint64 // of the recorded statement; 0: nothing is recorded
	began   time.Time
	text    string                  // of COM_STMT_PREPARE
	classes []curfew.StatementClass // of what it prepares
	status  uint16                  // the flags that it ended with
	told    bool                    // it had some
	kept    *kept                   // nil: rows are not recorded
	plan    *plan                   // that is executed; nil: none
	at      phase
	left    uint64 // definitions
	columns uint64 // of a plan, behind its parameters
	ends    bool   // the divider ends the answer: a plan's last
	first   bool   // an OK is to come that is not the client's: that of a reset, behind which pins are set
	must    bool   // an ERR ends the session: it is not what the judge takes it for

	id, params         uint32 // of a plan
	rows, changed      int64
	bytes              int64
	code, state, fault string // of an ERR
}

func newAnswer(shape shapeOf, ref uint64) *answer {
	a := &answer{shape: shape, ref: ref, began: time.Now()}
	if shape == fetched {
		a.at = rows
	}
	return a
}

// looks reports whether a packet of so many bytes, which begins so, is looked at as a
// whole; every other is a row or a definition, and goes on as it comes.
func (a *answer) looks(n int, first byte) bool {
	switch a.at {
	case definitions:
		return false
	case rows:
		return n > 0 && (first == errHeader || first == eofHeader && n < 9)
	}
	return true
}

// passed counts a packet that was not looked at. b is its payload, where it is there as
// a whole; session is what has been kept of all rows.
func (a *answer) passed(b []byte, session *int) {
	if a.at == rows {
		if a.rows++; a.kept != nil {
			a.kept.row(b, session)
		}
		return
	}
	if a.kept != nil && a.shape == results {
		a.kept.definition(b)
	}
	if a.left--; a.left == 0 {
		a.at = divider
	}
}

// told is what a packet that was looked at says.
type told struct {
	done     bool
	warnings int // where in the payload the count of warnings stands; 0: nowhere
	none     bool
}

// see takes a packet that is looked at.
func (a *answer) see(b []byte) (told, error) {
	if len(b) == 0 {
		return told{}, malformed("an empty answer")
	}
	if b[0] == errHeader {
		err := parseErr(b)
		e, ok := err.(serverError) //nolint:errorlint // as parseErr makes it
		if !ok {
			return told{}, err
		}
		a.code, a.state, a.fault = itoa(uint64(e.number)), e.state, e.message
		return told{done: true}, nil
	}
	if a.shape == single {
		return told{done: true}, nil
	}
	switch a.at {
	case divider, rows:
		return a.end(b)
	}
	if a.shape == planned {
		return a.prepared(b)
	}
	return a.begin(b)
}

// end takes the EOF behind definitions or rows.
func (a *answer) end(b []byte) (told, error) {
	if b[0] != eofHeader || len(b) != 5 {
		return told{}, malformed("another end of definitions than an EOF")
	}
	status := uint16(b[3]) | uint16(b[4])<<8
	a.status, a.told = status, true
	t := told{warnings: 1, none: b[1] == 0 && b[2] == 0}
	switch {
	case a.shape == fetched:
		t.done = true
	case a.shape == planned && a.columns > 0 && !a.ends:
		a.at, a.left, a.ends = definitions, a.columns, true
	case a.shape == planned:
		t.done = true
	case a.at == divider && status&cursorExists == 0:
		a.at = rows
	case a.at == rows && status&moreResults != 0 || a.at == divider && status&moreResults != 0:
		a.at = head
	default:
		t.done = true
	}
	return t, nil
}

// begin takes the first packet of a result.
func (a *answer) begin(b []byte) (told, error) {
	c := cursor{b: b}
	switch b[0] {
	case okHeader:
		c.take(1)
		changed := c.lenenc()
		c.lenenc()
		status := uint16(c.number(2))
		a.status, a.told = status, true
		t := told{warnings: len(b) - len(c.b), none: c.number(2) == 0}
		if c.short {
			return told{}, malformed("an OK that is cut short")
		}
		a.changed += int64(min(changed, 1<<62))
		t.done = status&moreResults == 0
		return t, nil
	case localInfile:
		return told{}, errInfile
	}
	if a.left = c.lenenc(); c.short || len(c.b) > 0 || a.left == 0 || a.left > 1<<16 {
		return told{}, malformed("a count of columns that is none")
	}
	if a.at = definitions; a.kept != nil {
		a.kept.fresh()
	}
	return told{}, nil
}

// prepared takes the first packet of a prepared statement.
func (a *answer) prepared(b []byte) (told, error) {
	c := cursor{b: b}
	if c.number(1) != okHeader {
		return told{}, malformed("a plan that is none")
	}
	a.id = uint32(c.number(4))
	a.columns, a.params = c.number(2), uint32(c.number(2))
	if c.short {
		return told{}, malformed("a plan that is cut short")
	}
	switch {
	case a.params > 0:
		a.at, a.left, a.ends = definitions, uint64(a.params), a.columns == 0
	case a.columns > 0:
		a.at, a.left, a.ends = definitions, a.columns, true
	default:
		return told{done: true}, nil
	}
	return told{}, nil
}
