package ssh

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/servers"
)

// native is a client of the library's.
type native struct{ *ssh.Client }

func (n native) Do(ctx context.Context) error { return n.run(ctx, "true") }

func (n native) run(ctx context.Context, command string) error {
	done := make(chan error, 1)
	go func() {
		s, err := n.NewSession()
		if err == nil {
			err = s.Run(command)
			_ = s.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), n.Client.Close())
	}
}

func (n native) Close() { _ = n.Client.Close() }

func (s *site) dial(ctx context.Context, user, password string) (native, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return native{}, err
	}
	c, chans, reqs, err := ssh.NewClientConn(conn, s.Address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.FixedHostKey(s.keys.Host[0].PublicKey()),
	})
	if err != nil {
		_ = conn.Close()
		return native{}, err
	}
	return native{ssh.NewClient(c, chans, reqs)}, nil
}

func TestEngine(t *testing.T) {
	s := newSite(t, enginetest.Options{Roles: map[curfew.RoleName][]string{"web/true": {"login {user}", "run anything"}}}, servers.SSHOptions{}, "")
	enginetest.Suite{
		World: s.World, Role: "web/true",
		Connect: func(ctx context.Context, user, password string) (enginetest.Client, error) {
			c, err := s.dial(ctx, user, password)
			if err != nil {
				return nil, err
			}
			return c, nil
		},
		Mark: func(ctx context.Context, c enginetest.Client, word string) error {
			return c.(native).run(ctx, "echo "+word+" >> "+s.dir+"/marks")
		},
		Marked: func(word string) (int, error) {
			text, err := os.ReadFile(s.dir + "/marks")
			return strings.Count(string(text), word+"\n"), err
		},
	}.Run(t)
}

// alive reports whether a process of the host's whose command line holds the word lives.
func (s *site) alive(word string) bool {
	return pgrep(s.t, word)
}

func (s *site) gone(word string, by time.Duration) time.Duration {
	s.t.Helper()
	began := time.Now()
	for time.Since(began) < by {
		if !s.alive(word) {
			return time.Since(began)
		}
		time.Sleep(2 * time.Millisecond)
	}
	s.t.Errorf("%s still runs after %s", word, by)
	return by
}
