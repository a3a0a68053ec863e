package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// errandLife is how long a certificate of the gateway's own lets it in.
const errandLife = 2 * time.Minute

// keeper looks after what sessions start at one host. Nothing is made there: the
// account is the certificate, whose key is gone as soon as a session is logged in.
// What has to be removed are the processes.
type keeper struct {
	engine *Engine
	target lease.Target

	mu    sync.Mutex
	lines map[string]*line // guarded by mu; by login
}

// line is the gateway's own connection to the host as one login, kept for the cut.
type line struct {
	mu    sync.Mutex
	conn  ssh.Conn    // guarded by mu; nil: none
	timer *time.Timer // guarded by mu; hangs up
}

// lineIdle is how long a line is kept that nobody uses: nobody stays logged in there
// for ever, not even the gateway.
const lineIdle = 2 * time.Minute

// keep has the line hang up after a while. The caller holds mu.
func (l *line) keep() {
	if l.timer != nil {
		l.timer.Stop()
	}
	conn := l.conn
	l.timer = time.AfterFunc(lineIdle, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.conn == conn && conn != nil {
			l.hangUp()
		}
	})
}

// hangUp drops the connection. The caller holds mu.
func (l *line) hangUp() {
	if l.timer != nil {
		l.timer.Stop()
	}
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

func (k *keeper) line(login string) *line {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.lines == nil {
		k.lines = map[string]*line{}
	}
	l := k.lines[login]
	if l == nil {
		l = &line{}
		k.lines[login] = l
	}
	return l
}

// ask runs a verb of keeperScript as the login and returns what it printed.
func (k *keeper) ask(ctx context.Context, login, errand, command string) (string, error) {
	l := k.line(login)
	l.mu.Lock()
	defer l.mu.Unlock()
	for try := 0; ; try++ {
		fresh := l.conn == nil
		if fresh {
			conn, err := k.connect(ctx, login, errand)
			if err != nil {
				return "", err
			}
			l.conn = conn
		}
		out, err := output(ctx, l.conn, command)
		if err == nil {
			l.keep()
			return out, nil
		}
		l.hangUp()
		if fresh || try > 0 || ctx.Err() != nil {
			return "", curfew.Wrap(curfew.Unavailable, err, "%s at %s as %s", errand, k.target.Resource.Name, login).WithRule("resource.down")
		}
	}
}

func (k *keeper) connect(ctx context.Context, login, errand string) (ssh.Conn, error) {
	res := k.target.Resource
	set, err := settingsOf(res)
	if err != nil {
		return nil, err
	}
	key, err := k.engine.keys.issue(want{
		account: "curfew_" + k.target.Deployment + "_keeper", what: errand, resource: res.Name, login: login, source: set.Source,
		until: time.Now().Add(errandLife), command: keeperScript(), noSession: true,
	})
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (net.Conn, error) { return k.target.Dial(ctx, errand+" as "+login) }
	h, err := knock(ctx, dial, func(conn net.Conn) (*host, error) { return greet(ctx, conn, res, set, login, key) })
	if err != nil {
		return nil, err
	}
	go ssh.DiscardRequests(h.reqs)
	go func() {
		for ch := range h.chans {
			_ = ch.Reject(ssh.Prohibited, "")
		}
	}()
	return h.conn, nil
}

// maxOutput bounds what a host may answer to the keeper.
const maxOutput = 64 << 10

// output runs one command and returns what it printed.
func output(ctx context.Context, conn ssh.Conn, command string) (string, error) {
	ch, reqs, err := conn.OpenChannel("session", nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = ch.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	go ssh.DiscardRequests(reqs)
	ok, err := ch.SendRequest("exec", true, ssh.Marshal(struct{ Command string }{command}))
	if err != nil || !ok {
		return "", errors.Join(err, errors.New("the host runs no command"))
	}
	var out bytes.Buffer
	for buf := make([]byte, 4096); out.Len() < maxOutput; {
		n, err := ch.Read(buf)
		out.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return out.String(), context.Cause(ctx)
}

// probe is what a host says of itself, as one login.
type probe struct {
	proc, unshare bool
	plants        []string // what would let somebody in later, with a checksum each
}

func (k *keeper) probe(ctx context.Context, login, errand string) (probe, error) {
	text, err := k.ask(ctx, login, errand, "probe")
	if err != nil {
		return probe{}, err
	}
	var p probe
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if !slices.Contains(lines, "curfew") || lines[len(lines)-1] != "end" {
		return p, curfew.Errorf(curfew.Denied, "%s runs something else than it is asked to as %s", k.target.Resource.Name, login).WithRule("resource.command").
			WithFix("look for a ForceCommand in its sshd_config, and for a login shell that reads no commands")
	}
	for _, line := range lines {
		switch {
		case line == "proc":
			p.proc = true
		case line == "unshare":
			p.unshare = true
		case strings.HasPrefix(line, "plant "):
			p.plants = append(p.plants, strings.TrimPrefix(line, "plant "))
		}
	}
	return p, nil
}

// Make logs in as every login of the permission: the host is the one that is
// pinned, it trusts the authority, and its owner has listed the login.
func (k *keeper) Make(ctx context.Context, p lease.Plan) (lease.Made, error) {
	may, err := parse(p.Permission)
	if err != nil {
		return lease.Made{}, err
	}
	set, err := settingsOf(k.target.Resource)
	if err != nil {
		return lease.Made{}, err
	}
	var notes []string
	for _, login := range may.logins() {
		found, err := k.probe(ctx, login, "make lease "+string(p.Lease))
		if err != nil {
			return lease.Made{}, err
		}
		if set.Contain == byNamespace && !found.unshare {
			return lease.Made{}, curfew.Errorf(curfew.Denied, "%s makes no namespaces for %s", k.target.Resource.Name, login).WithRule("resource.contain").
				WithFix("allow unprivileged user namespaces there, or leave contain: namespace out")
		}
		if !found.proc {
			notes = append(notes, login+" noproc")
		}
		for _, plant := range found.plants {
			notes = append(notes, login+" "+plant)
		}
	}
	return lease.Made{ID: "certificate", Group: strings.Join(notes, "\n")}, nil
}

// Unlock has nothing to unlock: the engine makes the session's key.
func (*keeper) Unlock(context.Context, lease.Plan, lease.Made) (string, func(context.Context) error, error) {
	return "", func(context.Context) error { return nil }, nil
}

// Limit has nothing to move: a certificate is checked at the log-in only, and each
// is good until the end as it was then.
func (*keeper) Limit(context.Context, lease.Plan, time.Time) error { return nil }

// Strays are none: no key of the account's exists outside the gateway's memory.
func (*keeper) Strays(context.Context, lease.Made, []string) ([]string, error) { return nil, nil }

// Accounts are none: nothing is made at the host.
func (*keeper) Accounts(context.Context) ([]string, error) { return nil, nil }

// Terminate ends what sessions started, where they were cut. A client that left by
// itself may come back to its work while its grant lives: then it only says whether
// there is any.
func (k *keeper) Terminate(ctx context.Context, work []string) error {
	var errs []error
	for _, w := range work {
		login, id, _ := strings.Cut(w, "/")
		verb := "session "
		if k.engine.left.forget(curfew.SessionID(id)) {
			verb = "look " // whether there is any
		}
		if _, err := k.sweep(ctx, login, "end session "+id, verb+id); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sweep ends processes and says how many there were. An error says that some are left, or that nobody knows.
func (k *keeper) sweep(ctx context.Context, login, errand, command string) (int, error) {
	text, err := k.ask(ctx, login, errand, command)
	if err != nil {
		return 0, err
	}
	words := strings.Fields(text)
	if len(words) != 4 || words[0] != "ended" || words[2] != "left" {
		return 0, curfew.Errorf(curfew.Unavailable, "%s answers something else than it is asked", k.target.Resource.Name)
	}
	ended, err1 := strconv.Atoi(words[1])
	left, err2 := strconv.Atoi(words[3])
	if err1 != nil || err2 != nil || left > 0 {
		return ended, curfew.Errorf(curfew.Unavailable, "%s processes of %s are still there on %s", words[3], login, k.target.Resource.Name)
	}
	return ended, nil
}

// Remove ends every process of the grant, and looks: what would let somebody in
// later, and was not there before, is told.
func (k *keeper) Remove(ctx context.Context, p lease.Plan, m lease.Made) (lease.Residue, error) {
	if m.ID == "" {
		return lease.Residue{Powerless: true, Gone: true}, nil // no session can have been
	}
	may, err := parse(p.Permission)
	if err != nil {
		return lease.Residue{Powerless: true}, err
	}
	out := lease.Residue{Powerless: true}
	before := strings.Split(m.Group, "\n")
	for _, login := range may.logins() {
		errand := "remove lease " + string(p.Lease)
		ended, err := k.sweep(ctx, login, errand, "grant "+string(p.Grant))
		out.Ended += ended
		if err != nil {
			out.Remains = append(out.Remains, err.Error())
			return out, err
		}
		found, err := k.probe(ctx, login, errand)
		if err != nil {
			return out, err
		}
		out.Notes = append(out.Notes, k.told(login, before, found)...)
	}
	if out.Ended > 0 {
		what := "processes that sessions had left were ended"
		if out.Ended == 1 {
			what = "process that a session had left was ended"
		}
		out.Notes = append(out.Notes, fmt.Sprintf("%d %s", out.Ended, what))
	}
	if set, err := settingsOf(k.target.Resource); err == nil && set.Contain == byMarks && may.open() {
		out.Notes = append(out.Notes, "processes were found by their marks: one that hid its environment or became another user would not be seen")
	}
	out.Gone = true
	return out, nil
}

// told is what the receipt says of one login.
func (k *keeper) told(login string, before []string, found probe) (out []string) {
	if !found.proc {
		out = append(out, fmt.Sprintf("processes that %s started may live on: the host has no /proc to find them by", login))
	}
	for _, plant := range found.plants {
		if !slices.Contains(before, login+" "+plant) {
			name, _, _ := strings.Cut(plant, " ")
			out = append(out, fmt.Sprintf("%s of %s is another than before the grant: look whom it lets in", name, login))
		}
	}
	return out
}

// Close drops the connections.
func (k *keeper) Close() {
	k.mu.Lock()
	lines := k.lines
	k.lines = nil
	k.mu.Unlock()
	for _, l := range lines {
		l.mu.Lock()
		l.hangUp()
		l.mu.Unlock()
	}
}
