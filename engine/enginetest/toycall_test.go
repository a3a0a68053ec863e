package enginetest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/engine/toycall"
	"github.com/curfewhq/curfew/record"
)

// callee answers calls; one named slow only when something else has been answered.
type callee struct {
	address string
	mu      sync.Mutex
	heard   []string // guarded by mu
}

func (to *callee) count(call string) (n int) {
	to.mu.Lock()
	defer to.mu.Unlock()
	for _, c := range to.heard {
		if c == call {
			n++
		}
	}
	return n
}

func (to *callee) answer(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	var late []byte
	for in := bufio.NewScanner(conn); in.Scan(); {
		var l struct {
			ID         uint64
			Call, With string
		}
		if json.Unmarshal(in.Bytes(), &l) != nil {
			return
		}
		to.mu.Lock()
		to.heard = append(to.heard, l.Call+" "+l.With)
		to.mu.Unlock()
		out := fmt.Appendf(nil, `{"id":%d,"ok":"ok %s"}`+"\n", l.ID, l.Call)
		if l.Call == "slow" {
			late = out
			continue
		}
		if _, err := conn.Write(append(out, late...)); err != nil {
			return
		}
		late = nil
	}
}

func callees(t *testing.T, deployment string) (*callee, *enginetest.World) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := &callee{address: ln.Addr().String()}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go to.answer(conn)
		}
	}()
	t.Cleanup(func() { _ = ln.Close() })
	return to, enginetest.New(t, enginetest.Options{
		Engine: toycall.New(), Deployment: deployment, Login: "toycall://nobody:nothing@" + to.address,
		Resource: curfew.Resource{Name: "calls", Type: "toycall", Address: to.address, Account: curfew.Fixed},
		Roles:    map[curfew.RoleName][]string{"call": {"call get", "call mark", "call slow", "call drop-all"}},
		Release:  []curfew.StatementClass{curfew.ClassDrop},
	})
}

// caller is a client of calls.
type caller struct {
	conn net.Conn
	in   *bufio.Reader
	next uint64
}

func (c *caller) send(call, with string) (uint64, error) {
	c.next++
	_, err := fmt.Fprintf(c.conn, `{"id":%d,"call":%q,"with":%q}`+"\n", c.next, call, with)
	return c.next, err
}

type reply struct {
	ID           uint64
	OK, No, Wait string
}

func (c *caller) hear() (r reply, err error) {
	text, err := c.in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil && r.ID == 0 {
		err = errors.New(r.No)
	}
	return r, err
}

func (c *caller) call(ctx context.Context, call, with string) error {
	if by, ok := ctx.Deadline(); ok {
		_ = c.conn.SetDeadline(by)
	}
	id, err := c.send(call, with)
	if err != nil {
		return err
	}
	r, err := c.hear()
	if err == nil && (r.ID != id || r.OK != "ok "+call) {
		err = fmt.Errorf("%+v", r)
	}
	return err
}

func (c *caller) Do(ctx context.Context) error { return c.call(ctx, "get", "x") }
func (c *caller) Close()                       { _ = c.conn.Close() }

func ring(address, user, password string) (*caller, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &caller{conn: conn, in: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err = fmt.Fprintf(conn, `{"user":%q,"secret":%q}`+"\n", user, password); err == nil {
		err = c.call(context.Background(), "get", "first")
	}
	if err != nil {
		_ = conn.Close()
	}
	return c, err
}

// TestAProtocolOfCalls runs what every engine must do against an example in which many
// calls are under way at once. It has no code of its own for the cut.
func TestAProtocolOfCalls(t *testing.T) {
	to, w := callees(t, "toycall")
	enginetest.Suite{
		World: w, Role: "call",
		Connect: func(_ context.Context, user, password string) (enginetest.Client, error) {
			return ring(w.Address, user, password)
		},
		Mark: func(ctx context.Context, c enginetest.Client, word string) error {
			return c.(*caller).call(ctx, "mark", word)
		},
		Marked: func(word string) (int, error) { return to.count("mark " + word), nil },
	}.Run(t)
}

func held(t *testing.T, deployment string) (*callee, *enginetest.World, enginetest.Grant, *caller) {
	t.Helper()
	to, w := callees(t, deployment)
	g := w.Grant("call", time.Hour)
	c, err := ring(w.Address, g.User, g.Password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return to, w, g, c
}

// A call that waits keeps no other waiting, and goes when somebody has released it.
func TestACallThatIsHeld(t *testing.T) {
	to, w, g, c := held(t, "callheld")
	waiting, err := c.send("drop-all", "orders")
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.hear()
	if err != nil || r.ID != waiting || r.Wait == "" {
		t.Fatalf("%+v %v", r, err)
	}
	if err := c.call(t.Context(), "get", "meanwhile"); err != nil {
		t.Error(err)
	}
	if to.count("drop-all orders") != 0 {
		t.Fatal("it did not wait")
	}
	if h := w.ReleaseOne(); h.Text != "drop-all" || h.Values[0].Text != "orders" {
		t.Errorf("who releases it sees %+v", h)
	}
	_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	for r, err = c.hear(); err == nil && r.Wait != ""; r, err = c.hear() {
	}
	if err != nil || r.ID != waiting || r.OK != "ok drop-all" {
		t.Errorf("%+v %v", r, err)
	}
	if to.count("drop-all orders") != 1 {
		t.Error("it was not sent once")
	}
	var kinds []record.Kind
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		kinds = nil
		w.Each(w.Sessions(g.ID)[0], func(it record.Item) { kinds = append(kinds, it.Kind) })
		if at := slices.Index(kinds, record.Held); at >= 0 && slices.Contains(kinds[at:], record.Statement) {
			return
		}
	}
	t.Errorf("recorded %v", kinds)
}

func TestACallThatIsRefusedOrCutWhileItWaits(t *testing.T) {
	to, w, g, c := held(t, "callno")
	if _, err := c.send("drop-all", "refused"); err != nil {
		t.Fatal(err)
	}
	w.RefuseOne("not today")
	_ = c.conn.SetDeadline(time.Now().Add(10 * time.Second))
	r, err := c.hear()
	for ; err == nil && r.Wait != ""; r, err = c.hear() {
	}
	if err != nil || !strings.Contains(r.No, "not today") {
		t.Errorf("%+v %v", r, err)
	}
	if _, err := c.send("drop-all", "cut"); err != nil {
		t.Fatal(err)
	}
	w.Held()
	w.Revoke(g.ID)
	for ; err == nil; _, err = c.hear() {
	}
	w.Await(g.ID, access.Gone)
	w.NoneHeld()
	if to.count("drop-all refused")+to.count("drop-all cut") != 0 {
		t.Errorf("the target heard %v", to.heard)
	}
}

// Answers come in the target's order, each to its own call.
func TestAnswersInAnyOrder(t *testing.T) {
	_, _, _, c := held(t, "callorder")
	slow, err := c.send("slow", "a")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	quick, err := c.send("get", "b")
	if err != nil {
		t.Fatal(err)
	}
	got := map[uint64]string{}
	for range 2 {
		r, err := c.hear()
		if err != nil {
			t.Fatal(err)
		}
		got[r.ID] = r.OK
	}
	if got[slow] != "ok slow" || got[quick] != "ok get" {
		t.Errorf("%v", got)
	}
}
