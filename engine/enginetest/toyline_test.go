package enginetest_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

func (to *target) answer(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for in := bufio.NewScanner(conn); in.Scan(); {
		to.mu.Lock()
		to.said = append(to.said, in.Text())
		to.mu.Unlock()
		if _, err := conn.Write([]byte("ok " + in.Text() + "\n")); err != nil {
			return
		}
	}
}

func (to *target) count(text string) (n int) {
	to.mu.Lock()
	defer to.mu.Unlock()
	for _, s := range to.said {
		if s == text {
			n++
		}
	}
	return n
}

// speaker is a client of lines.
type speaker struct {
	conn net.Conn
	in   *bufio.Reader
}

func (s speaker) say(ctx context.Context, text string) error {
	if by, ok := ctx.Deadline(); ok {
		_ = s.conn.SetDeadline(by)
	}
	if _, err := s.conn.Write([]byte(text + "\n")); err != nil {
		return err
	}
	answer, err := s.in.ReadString('\n')
	if err == nil && strings.TrimSpace(answer) != "ok "+text {
		err = errors.New(strings.TrimSpace(answer))
	}
	return err
}

func (s speaker) Do(ctx context.Context) error { return s.say(ctx, "hello you") }
func (s speaker) Close()                       { _ = s.conn.Close() }

func dial(address, user, password string) (speaker, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return speaker{}, err
	}
	s := speaker{conn, bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = conn.Write([]byte(user + " " + password + "\nhello\n"))
	if err == nil {
		var answer string
		if answer, err = s.in.ReadString('\n'); err == nil && strings.TrimSpace(answer) != "ok hello" {
			err = errors.New(strings.TrimSpace(answer))
		}
	}
	if err != nil {
		_ = conn.Close()
	}
	return s, err
}

// TestAProtocolOfAHundredLines runs what every engine must do against an engine that
// is an example. It has no code of its own for the cut.
func TestAProtocolOfAHundredLines(t *testing.T) {
	to := listen(t)
	w := worldOf(t, "toyline", to)
	enginetest.Suite{
		World: w, Role: "speak",
		Connect: func(_ context.Context, user, password string) (enginetest.Client, error) {
			return dial(w.Address, user, password)
		},
		Mark: func(ctx context.Context, c enginetest.Client, word string) error {
			return c.(speaker).say(ctx, "mark "+word)
		},
		Marked: func(word string) (int, error) { return to.count("mark " + word), nil },
	}.Run(t)
}

func TestWhatTheRoleDoesNotSayIsNotSent(t *testing.T) {
	to := listen(t)
	w := worldOf(t, "toyrole", to)
	g := w.Grant("speak", time.Hour)
	c, err := dial(w.Address, g.User, g.Password)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.say(t.Context(), "shout loud"); err == nil || !strings.Contains(err.Error(), "not in your role") {
		t.Error(err)
	}
	if err := c.Do(t.Context()); err != nil {
		t.Error("after a refusal:", err)
	}
	if n := to.count("shout loud"); n != 0 {
		t.Error("it was sent")
	}
	refused := 0
	for end := time.Now().Add(5 * time.Second); refused == 0 && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		w.Each(w.Sessions(g.ID)[0], func(it record.Item) {
			if it.Kind == record.Refused && it.Text == "shout loud" {
				refused++
			}
		})
	}
	if refused != 1 {
		t.Errorf("%d refusals recorded", refused)
	}
}
