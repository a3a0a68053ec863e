package postgres

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/postgres/judge"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// Sizes of the relay's buffers: what an idle session holds, and what one message
// may need that must be seen whole.
const (
	idleBuffer  = 512
	bulkBuffer  = 64 << 10
	smallReads  = 32 // after so many, a large buffer is given back
	maxMessage  = 64 << 20
	maxInspect  = 1 << 20
	valueLimit  = 16 << 10 // bytes of one bound value that are recorded
	valuesLimit = 1 << 20  // bytes of all bound values of one statement that are recorded
	textLimit   = 1 << 20  // bytes of one statement that are recorded
	headerBytes = 5
)

var (
	errLeft       = errors.New("the client left")
	errTargetLeft = errors.New("the target left")
)

// relay carries messages between one client and one target.
type relay struct {
	s              *session.Session
	client, target net.Conn
	log            *statements
	counting       *judge.Parser // tells statements of one text apart, where there is a budget
	holds          *holding      // where statements wait for a release; nil: nowhere
	source         io.Reader     // of the client's bytes: the client, or what was read of it meanwhile
	instead        byte          // what the message under way is sent as; 0: as what it is. up's
	wall           *judge.Judge  // of a fixed account; nil: the target's privileges are the wall

	// toClient is held while bytes go to the client. boundary says that the last
	// byte that went was the end of a message: only there may we speak ourselves.
	toClient sync.Mutex
	boundary bool // guarded by toClient

	returned int64 // rows of the statement under way, where there is a budget; down's

	results *results // down's; nil: results are not recorded
	calling bool     // what a function returned is passing; down's

	turns    turns
	leaving  atomic.Bool // the client said good-bye: the target may close
	stopped  atomic.Bool // the budget is spent: nothing more goes to the target
	lastWord atomic.Bool // the target said itself why it closes
}

func newRelay(s *session.Session, client, target net.Conn) *relay {
	r := &relay{s: s, client: client, source: client, target: target, log: newStatements(), boundary: true}
	if s.Permit().Grant().Record.Results() {
		r.results = newResults(r.log)
	}
	r.turns.state.Store('I')
	return r
}

// farewell tells the client why it is over, at a message boundary, by the time
// or not at all.
func (r *relay) farewell(e access.Ended, by time.Time) {
	for !r.toClient.TryLock() {
		if time.Now().After(by) {
			return // the client has stopped reading
		}
		time.Sleep(50 * time.Microsecond)
	}
	defer r.toClient.Unlock()
	if !r.boundary || r.lastWord.Load() {
		return
	}
	n := goodbye(r.s.Permit(), e)
	msg := fatal("57P01", curfew.Errorf(curfew.Lapsed, "%s", strings.TrimPrefix(n.Line, "Curfew: ")))
	msg.Detail, msg.Hint = n.Detail, n.Hint
	buf, err := msg.Encode(nil)
	if err != nil {
		return
	}
	if soon := time.Now().Add(time.Millisecond); by.Before(soon) {
		by = soon // the processor came late: a client that reads still hears it
	}
	_ = r.client.SetWriteDeadline(by)
	_, _ = r.client.Write(buf)
}

// note records what Curfew told the client.
func (r *relay) note(n say.Notice) error {
	return r.s.Observe(record.Item{Kind: record.Notice, Text: n.String()})
}
