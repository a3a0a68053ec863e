// Package toyline is an example: an engine for a protocol of lines, as small as one
// can be. It is not part of the program. A client sends its credential and its
// secret in one line, and then words, a line each; the target answers each line
// with one of its own. A role says which first words may be sent: "say hello".
package toyline

import (
	"bufio"
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// Bounds of a line, and of the time until a client has proved who it is.
const (
	maxLine    = 1 << 10
	loginBound = 10 * time.Second
)

// Engine speaks lines.
type Engine struct{}

// New returns the engine.
func New() *Engine { return &Engine{} }

// Type is "toyline".
func (*Engine) Type() curfew.EngineType { return "toyline" }

// CheckResource wants an address, and an account that is not made anew: there are none to make.
func (*Engine) CheckResource(res curfew.Resource) error {
	if _, _, err := net.SplitHostPort(res.Address); err != nil {
		return curfew.Errorf(curfew.Invalid, "%.80q is no address", res.Address).WithFix("write host:port")
	}
	if res.Account != curfew.Fixed {
		return curfew.Errorf(curfew.Invalid, "lines know no accounts").WithFix("account: fixed")
	}
	return nil
}

// CheckPermission takes "say WORD".
func (*Engine) CheckPermission(_ curfew.Resource, p curfew.Permission) error {
	_, err := words(p)
	return err
}

func words(p curfew.Permission) ([]string, error) {
	var out []string
	for _, line := range p.May {
		word, ok := strings.CutPrefix(line, "say ")
		if !ok || word == "" || strings.ContainsAny(word, " \t\r\n") {
			return nil, curfew.Errorf(curfew.Invalid, "%.80q is no permission for lines", line).WithFix("say WORD")
		}
		if !slices.Contains(p.Never, line) {
			out = append(out, word)
		}
	}
	return out, nil
}

// Effect reads a permission aloud.
func (*Engine) Effect(p curfew.Permission) (effect string, dangers []string) {
	all, _ := words(p)
	return "say " + strings.Join(all, ", "), nil
}

// Covers reports whether b says nothing that a may not.
func (*Engine) Covers(a, b curfew.Permission) bool {
	mine, err1 := words(a)
	theirs, err2 := words(b)
	return err1 == nil && err2 == nil && !slices.ContainsFunc(theirs, func(w string) bool { return !slices.Contains(mine, w) })
}

// Serve speaks with one client.
func (*Engine) Serve(ctx context.Context, conn net.Conn, gate engine.Gatekeeper) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(loginBound))
	in := bufio.NewReaderSize(conn, maxLine)
	login, err := line(in)
	id, secret, _ := strings.Cut(login, " ")
	if err != nil || !gate.Verifier(ctx, curfew.CredentialID(id)).Fits(secret) {
		_, _ = conn.Write([]byte("Curfew: these credentials are not valid\n"))
		return
	}
	stop()
	_ = conn.SetDeadline(time.Time{})
	s, err := gate.Open(ctx, access.Claim{Credential: curfew.CredentialID(id), Client: conn.RemoteAddr().String()}, nil)
	if err != nil {
		_, _ = conn.Write([]byte("Curfew: " + say.Clean(err.Error(), 200) + "\n"))
		return
	}
	cause := curfew.CauseClosed
	defer func() { s.Close(cause, "") }()
	dialing, cancel := context.WithTimeout(s.Context(), loginBound)
	target, err := s.Dial(dialing)
	cancel()
	if err != nil {
		cause = curfew.CauseTarget
		return
	}
	defer func() { _ = target.Close() }()
	r := &relay{s: s, client: conn, in: in, target: target, answers: bufio.NewReaderSize(target, maxLine)}
	r.words, _ = words(s.Permit().Permission())
	if s.Attach(session.Legs{Client: conn, Target: target, Farewell: r.farewell}) == nil {
		cause = r.run()
	}
}

// relay carries lines, one at a time.
type relay struct {
	s        *session.Session
	client   net.Conn
	in       *bufio.Reader
	target   net.Conn
	answers  *bufio.Reader
	words    []string
	toClient sync.Mutex // held while a line goes to the client
}

func (r *relay) run() curfew.Cause {
	for ref := uint64(1); ; ref++ {
		text, err := line(r.in)
		if err != nil {
			return curfew.CauseClosed
		}
		word, _, _ := strings.Cut(text, " ")
		if !slices.Contains(r.words, word) {
			err := r.s.Observe(record.Item{Kind: record.Refused, Ref: ref, Text: text, Code: "lines.word"})
			if err != nil || r.tell("Curfew: "+say.Clean(word, 40)+" is not in your role") != nil {
				return curfew.CauseClosed
			}
			continue
		}
		if r.s.Observe(record.Item{Kind: record.Statement, Ref: ref, Text: text}) != nil {
			return curfew.CauseClosed
		}
		began := time.Now()
		if r.s.Forward(r.target, []byte(text+"\n")) != nil {
			return curfew.CauseClosed
		}
		answer, err := line(r.answers)
		if err != nil {
			return curfew.CauseTarget
		}
		out := record.Item{Kind: record.Outcome, Ref: ref, Rows: 1, Bytes: int64(len(answer)), Took: time.Since(began)}
		if r.s.Observe(out) != nil || r.tell(answer) != nil {
			return curfew.CauseClosed
		}
	}
}

func (r *relay) tell(text string) error {
	r.toClient.Lock()
	defer r.toClient.Unlock()
	_, err := r.client.Write([]byte(text + "\n"))
	return err
}

// farewell tells a client that reads why it is over.
func (r *relay) farewell(e access.Ended, by time.Time) {
	if r.toClient.TryLock() {
		defer r.toClient.Unlock()
		_ = r.client.SetWriteDeadline(by)
		_, _ = r.client.Write([]byte("Curfew: your access ended: " + say.Cause(e.Cause) + "\n"))
	}
}

// line reads a line of at most maxLine bytes, without its end.
func line(r *bufio.Reader) (string, error) {
	b, err := r.ReadSlice('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}
