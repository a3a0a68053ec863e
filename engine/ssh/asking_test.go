package ssh

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/servers"
)

// asker is a client that answers questions.
type asker struct {
	s    *site
	done chan struct{}
	conn net.Conn
	c    native
	err  error

	mu    sync.Mutex
	heard string // guarded by mu; all that the gateway said and asked
}

// asks connects with a badge and answers what it is asked, in turn.
func (s *site) asks(b badge, user string, answers ...string) *asker {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.Address)
	must(s.t, err)
	a := &asker{s: s, done: make(chan struct{}), conn: conn}
	hear := func(text string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.heard += text + "\n"
	}
	cfg := &ssh.ClientConfig{
		User: user, HostKeyCallback: ssh.FixedHostKey(s.keys.Host[0].PublicKey()), BannerCallback: func(text string) error { hear(text); return nil },
		Auth: []ssh.AuthMethod{ssh.PublicKeys(b.signer(s.t)), ssh.KeyboardInteractive(func(_, intro string, questions []string, _ []bool) (out []string, _ error) {
			hear(intro)
			for _, q := range questions {
				hear(q)
				if len(answers) == 0 {
					return nil, fmt.Errorf("asked too much: %q", q)
				}
				out, answers = append(out, answers[0]), answers[1:]
			}
			return out, nil
		})},
	}
	go func() {
		defer close(a.done)
		sc, chans, reqs, err := ssh.NewClientConn(conn, s.Address, cfg)
		if err != nil {
			a.err = err
			_ = conn.Close()
			return
		}
		a.c = native{ssh.NewClient(sc, chans, reqs)}
	}()
	s.t.Cleanup(func() { _ = conn.Close(); <-a.done })
	return a
}

func (a *asker) told(want string) {
	a.s.t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if strings.Contains(a.text(), want) {
			return
		}
	}
	a.s.t.Fatalf("it heard %q, want %q", a.text(), want)
}

func (a *asker) text() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.heard
}

func (a *asker) over() error {
	a.s.t.Helper()
	select {
	case <-a.done:
	case <-time.After(20 * time.Second):
		a.s.t.Fatal("it still waits")
	}
	return a.err
}

// askSite is a host behind a gateway whose administrator must agree.
func askSite(t *testing.T, more ...func(*enginetest.Options)) *site {
	opt := agreedRoles()
	for _, f := range more {
		f(&opt)
	}
	return newSite(t, opt, servers.SSHOptions{}, "")
}

// somebody is who may ask and holds nothing.
func (s *site) somebody() badge { return s.badge(s.Asking("web/true", time.Hour).Principal) }

func TestAPersonIsAskedAndWaitsOnTheConnection(t *testing.T) {
	s := askSite(t)
	b := s.somebody()
	a := s.asks(b, "web-1", "9", "2", "3h", "10 min", "", "look at the logs")
	r := s.Waiting(1)[0]
	a.told("asked admin@example.com; waiting until")
	if r.Principal != b.who || r.Role != "web/shell" || r.Duration != 10*time.Minute || s.Identity.Text(context.Background(), b.who, r.Reason) != "look at the logs" ||
		!slices.ContainsFunc(r.Checks, func(c string) bool { return strings.Contains(c, "asked from a connection") }) {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"you have no access to web-1 now; you can ask for it here", "curfew request web/", "1  web/root   as root: run true", "2  web/shell ", "a number from 1 to 3, please", "at most 2 h", "a few words, please", string(r.Request), "Leaving withdraws it"} {
		if !strings.Contains(a.text(), want) {
			t.Errorf("no %q in %s", want, a.text())
		}
	}
	if n := len(enginetest.Events[curfew.LeasePlanned](s.World, curfew.KindLeasePlanned)); n != 0 {
		t.Errorf("%d accounts are planned while nobody has agreed", n)
	}
	s.Agree(curfew.GrantID(curfew.NewID("gr")))
	must(t, a.over())
	x, err := a.c.NewSession()
	must(t, err)
	must(t, x.Shell())
	must(t, x.Close())
	a.told("(web/shell) until")
	s.Lawful()
}

func TestALoginNarrowsWhatIsAskedFor(t *testing.T) {
	s := askSite(t)
	b := s.somebody()
	for user, role := range map[string]curfew.RoleName{"root@web-1": "web/root", "web-1+true": "web/true"} {
		a := s.asks(b, user, "5m", "why not")
		if r := s.Waiting(1)[0]; r.Role != role {
			t.Errorf("%s asks for %s", user, r.Role)
		}
		_ = a.conn.Close()
		s.Waiting(0)
	}
}

func TestWhatBecomesOfWhoWaits(t *testing.T) {
	s := askSite(t)
	ctx := context.Background()
	for name, c := range map[string]struct {
		do   func(badge, access.Request) error
		said string
	}{
		"denied": {func(b badge, r access.Request) error {
			why, err := s.Identity.Seal(ctx, s.Administrator(), "not today\x1b[2J")
			if err == nil {
				_, err = s.Access.Do(ctx, access.Deny{Request: r.Request, By: s.Administrator(), Why: why})
			}
			return err
		}, `denied your request for web/true: "not today`},
		"withdrawn": {func(b badge, r access.Request) error {
			_, err := s.Access.Do(ctx, access.Withdraw{Request: r.Request, By: b.who})
			return err
		}, "your request for web/true is over"},
		"signed out": {func(b badge, _ access.Request) error { return s.Identity.SignOut(ctx, b.who, b.signIn) }, "you have signed out"},
		"signed out everywhere": {func(b badge, _ access.Request) error {
			_, err := s.Access.Do(ctx, access.SignOutEverywhere{Principal: b.who, By: b.who})
			return err
		}, "withdrawn"},
		"disabled": {func(b badge, _ access.Request) error {
			_, err := s.Access.Do(ctx, access.Disable{Principal: b.who, By: s.Administrator()})
			return err
		}, "disabled"},
	} {
		t.Run(name, func(t *testing.T) {
			b := s.somebody()
			a := s.asks(b, "web-1+true", "", "to see")
			r := s.Waiting(1)[0]
			a.told(string(r.Request)) // it is told that it waits, and does
			must(t, c.do(b, r))
			if a.over() == nil || !strings.Contains(a.text(), c.said) || strings.ContainsRune(a.text(), 0x1b) {
				t.Errorf("%v: it heard %s", a.err, a.text())
			}
			s.Waiting(0)
		})
	}
	s.Lawful()
}

func TestLapseAndTellingMeanwhile(t *testing.T) {
	s := askSite(t, func(o *enginetest.Options) { o.Lapse, o.TellEvery = 3*time.Second, 300*time.Millisecond })
	a := s.asks(s.somebody(), "web-1+true", "", "to see")
	a.told("still waiting for admin@example.com")
	if a.over() == nil || !strings.Contains(a.text(), "nobody answered your request for web/true in time") {
		t.Errorf("%v %s", a.err, a.text())
	}
}

// TestLeavingWithdraws: what nobody waits for any more nobody is bothered with.
func TestLeavingWithdraws(t *testing.T) {
	s := askSite(t)
	a := s.asks(s.somebody(), "web-1+true", "", "to see")
	s.Waiting(1)
	_ = a.conn.Close()
	s.Waiting(0)
	s.Lawful()
}

// TestManyConnectionsAreOneCard: and none of them more than the bound.
func TestManyConnectionsAreOneCard(t *testing.T) {
	s := askSite(t)
	b := s.somebody()
	var all []*asker
	for range 20 {
		all = append(all, s.asks(b, "web-1+true", "10m", "a pool"))
	}
	waits := func() (n, turned int) {
		for _, a := range all {
			if strings.Contains(a.text(), "waiting until") {
				n++
			}
			if strings.Contains(a.text(), "connections of yours wait for an answer already") {
				turned++
			}
		}
		return n, turned
	}
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if n, turned := waits(); n+turned == len(all) {
			break
		}
	}
	if n, turned := waits(); n != 8 || turned != 12 {
		t.Errorf("%d wait and %d were turned away", n, turned)
	}
	s.Waiting(1)
	s.Agree(curfew.GrantID(curfew.NewID("gr")))
	in := 0
	for _, a := range all {
		if a.over() == nil {
			in++
		}
	}
	if in != 8 {
		t.Errorf("%d came in", in)
	}
}

// TestABatchClientIsToldHowToAsk: a client that cannot answer leaves no request.
func TestABatchClientIsToldHowToAsk(t *testing.T) {
	s := askSite(t)
	b := s.keyFile(s.Asking("web/true", time.Hour).Principal)
	for _, args := range [][]string{{"ssh", "-o", "BatchMode=yes", "web-1@127.0.0.1", "true"}, {"sftp", "-b", "/dev/null", "web-1@127.0.0.1"}, {"scp", "-B", "/etc/hostname", "web-1@127.0.0.1:/tmp/never"}} {
		got := finish(t, s.client(b, args[0], args[1:]...))
		if got.code == 0 || !strings.Contains(got.err, "curfew request web/") || !strings.Contains(got.err, "--on web-1 --for 30m --reason") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	s.Waiting(0)
}

func TestOpenSSHAnswersAndWaits(t *testing.T) {
	s := askSite(t)
	b := s.keyFile(s.Asking("web/true", time.Hour).Principal)
	ask := filepath.Join(s.home, "answers")
	must(t, os.WriteFile(ask, []byte("#!/bin/sh\ncase \"$1\" in *'Role, 1 to 3'*) echo web/true;; *'how long'*) echo 15;; *Why*) echo 'by hand';; *) echo \"$1\" >&2;; esac\n"), 0o700))
	cmd := s.client(b, "ssh", "web-1@127.0.0.1", "echo in")
	cmd.Env = append(cmd.Env, "SSH_ASKPASS="+ask, "SSH_ASKPASS_REQUIRE=force")
	out, told := &screen{}, &screen{}
	cmd.Stdout, cmd.Stderr = out, told
	must(t, cmd.Start())
	r := s.Waiting(1)[0]
	if r.Role != "web/true" || r.Duration != 15*time.Minute {
		t.Errorf("%+v", r)
	}
	told.await(t, "Curfew: asked admin@example.com; waiting until")
	s.Agree(curfew.GrantID(curfew.NewID("gr")))
	told.await(t, "web-1 as "+s.sshd.User)
	out.await(t, "in\n")
	must(t, cmd.Wait())
}

// TestACredentialThatAsksWaitsToo: made by curfew env --ask-on-connect.
func TestACredentialThatAsksWaitsToo(t *testing.T) {
	s := askSite(t)
	g := s.Asking("web/true", time.Hour)
	done := make(chan result, 1)
	go func() { done <- s.ssh(g, "echo in") }()
	s.Waiting(1)
	s.Agree(curfew.GrantID(curfew.NewID("gr")))
	if got := <-done; got.out != "in\n" {
		t.Errorf("%+v", got)
	}
}

// TestWhoHoldsTwoRolesNamesOne: nobody guesses which.
func TestWhoHoldsTwoRolesNamesOne(t *testing.T) {
	s := newSite(t, enginetest.Options{Agreed: true, Roles: map[curfew.RoleName][]string{"web/one": {"login {user}", "run echo one"}, "web/two": {"login {user}", "run echo two"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/one", time.Hour)
	s.AskAgain(g, "web/two", time.Hour)
	b := s.keyFile(g.Principal)
	got := finish(t, s.client(b, "ssh", "-o", "BatchMode=yes", "web-1@127.0.0.1", "echo one"))
	if got.code != 255 || !strings.Contains(got.err, "you hold web/one and web/two on web-1") || !strings.Contains(got.err, "ssh web-1+one@") {
		t.Errorf("%+v", got)
	}
	if got := finish(t, s.client(b, "ssh", "-o", "BatchMode=yes", "web-1+two@127.0.0.1", "echo two")); got.out != "two\n" {
		t.Errorf("%+v", got)
	}
	a := s.asks(b, "web-1", "1")
	must(t, a.over())
	must(t, a.c.run(context.Background(), "echo one"))
}

func TestSpansAsPeopleTypeThem(t *testing.T) {
	for text, want := range map[string]time.Duration{"45m": 45 * time.Minute, "45 min": 45 * time.Minute, "90": 90 * time.Minute, "1h30m": 90 * time.Minute, "2 hours": 2 * time.Hour, "30s": 30 * time.Second} {
		if d, ok := spanOf(text); !ok || d != want {
			t.Errorf("%q: %s %v", text, d, ok)
		}
	}
	for _, text := range []string{"", "soon", "-1h", "0", "1e9h", "99999999999999999999", "5 apples", "0.5s"} {
		if d, ok := spanOf(text); ok {
			t.Errorf("%q: %s", text, d)
		}
	}
}

// TestWhoIsAskedHoldsNobodyUp: somebody who answers nothing on many connections has so
// many and no more.
func TestWhoIsAskedHoldsNobodyUp(t *testing.T) {
	s := askSite(t)
	b := s.somebody()
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	silent := func(b badge) (asked, turned chan struct{}) {
		asked, turned = make(chan struct{}), make(chan struct{})
		conn, err := net.Dial("tcp", s.Address)
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		cfg := &ssh.ClientConfig{
			User: "web-1+true", HostKeyCallback: ssh.FixedHostKey(s.keys.Host[0].PublicKey()), BannerCallback: func(text string) error {
				if strings.Contains(text, "are asked, or wait for an answer, already") {
					close(turned)
				}
				return nil
			},
			Auth: []ssh.AuthMethod{ssh.PublicKeys(b.signer(t)), ssh.KeyboardInteractive(func(_, _ string, _ []string, _ []bool) ([]string, error) {
				close(asked)
				<-hold
				return nil, net.ErrClosed
			})},
		}
		go func() { _, _, _, _ = ssh.NewClientConn(conn, s.Address, cfg) }()
		return asked, turned
	}
	within := func(c chan struct{}, what string) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(10 * time.Second):
			t.Fatal(what)
		}
	}
	for range mostTalks {
		asked, _ := silent(b)
		within(asked, "not asked, within the bound")
	}
	_, turned := silent(b)
	within(turned, "one more than the bound is not turned away")
	asked, _ := silent(s.somebody())
	within(asked, "somebody else is not asked")
}

func TestThreeSecretsAndNoMore(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run true"}}}, servers.SSHOptions{}, "")
	g := s.Grant("web/true", time.Hour)
	tries := 0
	_, _, err := s.enter("web-1", ssh.RetryableAuthMethod(ssh.PasswordCallback(func() (string, error) {
		if tries++; tries > mostSecrets {
			return g.User + "." + g.Password, nil
		}
		return "wrong", nil
	}), 6))
	if err == nil || tries > mostSecrets+1 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}
