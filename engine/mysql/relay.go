package mysql

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/session"
)

var (
	errLeft       = errors.New("the client left")
	errTargetLeft = errors.New("the target left")
)

// relay carries commands from one client to one target, and answers back: one command
// at a time, as the protocol has it. A client that sends the next one early waits.
type relay struct {
	engine         *Engine
	s              *session.Session
	client, target net.Conn
	results        bool          // are recorded
	wall           *wall         // of a fixed account, or where statements are held; nil: texts are the target's to read
	holds          *holding      // nil: nothing is held
	source         *engine.Ahead // the client, as it is read
	open           atomic.Bool   // a transaction is

	// turn holds one token while the target owes no answer. Who holds it owns ref,
	// prepared and warned.
	turn     chan struct{}
	ref      uint64
	prepared prepared
	warned   string // a notice that the client was told is there, and has not seen

	current atomic.Pointer[answer] // what the target owes; nil: nothing
	leaving atomic.Bool            // the client said good-bye: the target may close
	stopped atomic.Bool            // the budget is spent: nothing more goes to the target

	// toClient is held while bytes go to the client. boundary says that the last
	// byte that went was the end of a packet: only there may we speak ourselves.
	toClient sync.Mutex
	boundary bool // guarded by toClient
	next     byte // the sequence number of the client's next packet; guarded by toClient
	lastWord bool // the target said itself why it closes; guarded by toClient
}

func newRelay(e *Engine, s *session.Session, client net.Conn, t *target) *relay {
	r := &relay{engine: e, s: s, client: client, target: t.Conn, wall: t.wall, turn: make(chan struct{}, 1), boundary: true, next: 1, results: s.Permit().Grant().Record.Results()}
	r.source = &engine.Ahead{Conn: client}
	if s.Release().Some() {
		r.holds = newHolding()
	}
	r.turn <- struct{}{}
	return r
}

// farewell tells the client why it is over, at a packet boundary, by the time or
// not at all. A client that has nothing under way reads it when it sends its next
// command, as the answer to that.
func (r *relay) farewell(e access.Ended, by time.Time) {
	for !r.toClient.TryLock() {
		if time.Now().After(by) {
			return // the client has stopped reading
		}
		time.Sleep(50 * time.Microsecond)
	}
	defer r.toClient.Unlock()
	if !r.boundary || r.lastWord {
		return
	}
	n := goodbye(r.s.Permit(), e)
	last := appendPacket(nil, r.next, errPayload(errDisconnected, "08S01", sentence(n.Line, n.Detail, n.Hint)))
	r.boundary = false
	for range 3 { // a deadline that is over before the write begins says nothing of the client
		if soon := time.Now().Add(time.Millisecond); by.Before(soon) {
			by = soon // the processor came late: a client that reads still hears it
		}
		_ = r.client.SetWriteDeadline(by)
		if n, err := r.client.Write(last); n > 0 || !isTimeout(err) {
			return
		}
	}
}

// write sends bytes of the target's to the client; boundary says whether they end a
// packet, next is the number of the one that would follow.
func (r *relay) write(b []byte, boundary bool, next byte) error {
	if len(b) == 0 {
		return nil
	}
	r.toClient.Lock()
	defer r.toClient.Unlock()
	if r.s.Permit().Over() {
		return errTargetLeft // the farewell was the last word
	}
	r.boundary = false
	_, err := r.client.Write(b)
	r.boundary, r.next = boundary && err == nil, next
	return err
}

// say answers a command in the target's place.
func (r *relay) say(c command, payloads ...[]byte) error {
	var b []byte
	seq := c.seq
	for _, p := range payloads {
		seq++
		b = appendPacket(b, seq, p)
	}
	return r.write(b, true, 1)
}
