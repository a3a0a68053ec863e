package tcp

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

// echo answers each line, and remembers it.
type echo struct {
	net.Listener
	mu   sync.Mutex
	said map[string]int // guarded by mu
}

func newEcho(t *testing.T) *echo {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{Listener: ln, said: map[string]int{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				for in := bufio.NewReader(conn); ; {
					line, err := in.ReadString('\n')
					if strings.HasPrefix(line, "sum") { // what follows, to its end
						h := sha256.New()
						_, _ = io.Copy(h, in)
						_, _ = fmt.Fprintf(conn, "%x", h.Sum(nil))
						return
					}
					if err != nil {
						return
					}
					e.mu.Lock()
					e.said[strings.TrimSpace(line)]++
					e.mu.Unlock()
					if _, err := conn.Write([]byte(line)); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return e
}

func (e *echo) count(text string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.said[text]
}

func worldOf(t *testing.T, deployment string, e *echo, more ...func(*enginetest.Options)) *enginetest.World {
	t.Helper()
	opt := enginetest.Options{
		Engine: New(), Deployment: deployment,
		Resource: curfew.Resource{Name: "queue", Type: "tcp", Address: e.Addr().String(), Account: curfew.Fixed},
		Roles:    map[curfew.RoleName][]string{"talk": {"connect"}},
	}
	for _, f := range more {
		f(&opt)
	}
	return enginetest.New(t, opt)
}

// talker is a client.
type talker struct {
	net.Conn
	in *bufio.Reader
}

func dial(w *enginetest.World, user, password, resource string, cfg *tls.Config) (*talker, error) {
	conn, err := net.Dial("tcp", w.Address)
	if err != nil {
		return nil, err
	}
	if cfg != nil {
		conn = tls.Client(conn, cfg)
	}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	c := &talker{conn, bufio.NewReader(conn)}
	_, err = fmt.Fprintf(conn, "%s%s.%s %s\n", Greeting, user, password, resource)
	var line string
	if err == nil {
		line, err = c.in.ReadString('\n')
	}
	if err == nil && !strings.HasPrefix(line, Yes) {
		err = errors.New(strings.TrimSpace(line))
	}
	if err != nil {
		_ = conn.Close()
	}
	return c, err
}

func (c *talker) say(ctx context.Context, text string) error {
	if by, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(by)
	}
	if _, err := c.Write([]byte(text + "\n")); err != nil {
		return err
	}
	line, err := c.in.ReadString('\n')
	if err == nil && line != text+"\n" {
		err = errors.New(line)
	}
	return err
}

func (c *talker) Do(ctx context.Context) error { return c.say(ctx, "hello") }
func (c *talker) Close()                       { _ = c.Conn.Close() }

func TestTheSuite(t *testing.T) {
	e := newEcho(t)
	w := worldOf(t, "tcpsuite", e)
	enginetest.Suite{
		World: w, Role: "talk",
		Connect: func(_ context.Context, user, password string) (enginetest.Client, error) {
			return dial(w, user, password, "queue", nil)
		},
		Mark:   func(ctx context.Context, c enginetest.Client, word string) error { return c.(*talker).say(ctx, word) },
		Marked: func(word string) (int, error) { return e.count(word), nil },
	}.Run(t)
}

func TestBytesGoThroughAsTheyAre(t *testing.T) {
	e := newEcho(t)
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	w := worldOf(t, "tcpbytes", e, func(o *enginetest.Options) { o.TLS = cert.TLS })
	for name, cfg := range map[string]*tls.Config{"plain": nil, "TLS": {InsecureSkipVerify: true}} { //nolint:gosec // what goes through is what is tested
		g := w.Grant("talk", time.Hour)
		c, err := dial(w, g.User, g.Password, "queue", cfg)
		if err != nil {
			t.Fatal(name, err)
		}
		large := make([]byte, 8<<20)
		_, _ = rand.Read(large)
		if _, err := c.Write(append([]byte("sum\n"), large...)); err != nil {
			t.Fatal(name, err)
		}
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(name, err)
		}
		sum, err := io.ReadAll(c.in) // it comes after our end
		if want := fmt.Sprintf("%x", sha256.Sum256(large)); err != nil || string(sum) != want {
			t.Errorf("%s: %s, want %s: %v", name, sum, want, err)
		}
		c.Close()
		ended := w.Ended(g.ID)
		if ended.Cause != curfew.CauseClosed || ended.Bytes != int64(len(large))+4+64 {
			t.Errorf("%s: %+v", name, ended)
		}
		w.Each(w.Sessions(g.ID)[0], func(it record.Item) {
			if it.Kind == record.Outcome && it.Tag != "8388612 up, 64 down" {
				t.Errorf("%s: %+v", name, it)
			}
		})
	}
}

func TestABudgetOfBytesIsMet(t *testing.T) {
	e := newEcho(t)
	w := worldOf(t, "tcpbudget", e, func(o *enginetest.Options) { o.Budget = curfew.Budget{Bytes: 100} })
	g := w.Grant("talk", time.Hour)
	c, err := dial(w, g.User, g.Password, "queue", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	said := 0
	for c.say(t.Context(), "0123456789") == nil {
		said++
	}
	if n := e.count("0123456789"); said != 4 || n > 5 {
		t.Errorf("%d answered, %d arrived", said, n)
	}
	w.Await(g.ID, access.Gone)
	if _, err := dial(w, g.User, g.Password, "queue", nil); err == nil {
		t.Error("a grant whose budget is spent lets in")
	}
}

func TestWhatIsNoGreeting(t *testing.T) {
	e := newEcho(t)
	w := worldOf(t, "tcphello", e)
	g := w.Grant("talk", time.Hour)
	for name, text := range map[string]string{
		"nothing":          "\n",
		"HTTP":             "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"too long":         Greeting + strings.Repeat("x", MaxLine) + "\n",
		"no secret":        Greeting + g.User + " queue\n",
		"a wrong secret":   Greeting + g.User + ".x queue\n",
		"another version":  "CURFEW 2 " + g.User + "." + g.Password + " queue\n",
		"TLS without TLS":  "\x16\x03\x01\x00\x05hello\n",
		"another resource": Greeting + g.User + "." + g.Password + " orders\n",
		"no resource":      Greeting + g.User + "." + g.Password + "\n",
	} {
		conn, err := net.Dial("tcp", w.Address)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = conn.Write([]byte(text))
		got, _ := io.ReadAll(conn)
		if strings.HasPrefix(string(got), Yes) || !strings.HasPrefix(string(got), No) {
			t.Errorf("%s: %q", name, got)
		}
		_ = conn.Close()
	}
}

func TestRolesAndResources(t *testing.T) {
	e := New()
	good := curfew.Resource{Name: "queue", Address: "queue.internal:5672", Account: curfew.Fixed}
	if err := e.CheckResource(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*curfew.Resource){
		"an address without a port": func(r *curfew.Resource) { r.Address = "queue" },
		"an account":                func(r *curfew.Resource) { r.Account = curfew.Leased },
		"a login":                   func(r *curfew.Resource) { r.Login = "env:X" },
		"an option":                 func(r *curfew.Resource) { r.Options = []byte(`{"x":1}`) },
	} {
		r := good
		change(&r)
		if e.CheckResource(r) == nil {
			t.Errorf("%s is taken", name)
		}
	}
	may, none, never := curfew.Permission{May: []string{"connect"}}, curfew.Permission{}, curfew.Permission{May: []string{"connect"}, Never: []string{"connect"}}
	if e.CheckPermission(good, may) != nil || e.CheckPermission(good, curfew.Permission{May: []string{"connect *"}}) == nil {
		t.Error("permissions")
	}
	if !e.Covers(may, may) || e.Covers(none, may) || e.Covers(never, may) || !e.Covers(never, none) {
		t.Error("covers")
	}
}

func FuzzHello(f *testing.F) {
	f.Add(Greeting + "c_1.secret queue\n")
	f.Add("CURFEW 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, secret, err := hello(bufio.NewReaderSize(strings.NewReader(text), MaxLine))
		if err == nil && (!strings.HasPrefix(text, Greeting) || strings.Contains(string(c.Credential)+secret, "\n")) {
			t.Fatalf("%q: %+v", text, c)
		}
	})
}
