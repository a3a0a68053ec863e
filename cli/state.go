package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/curfewhq/curfew/client"
)

const stateFile = "state.json"

// state is what one command leaves for the next: what review showed, so that
// "approve 1" is for exactly that, and where the person's last change is.
type state struct {
	Server   string            `json:"server,omitempty"`
	Listed   time.Time         `json:"listed,omitzero"`
	Lines    []listed          `json:"lines,omitempty"`
	Position map[string]uint64 `json:"position,omitempty"`
}

// listed is one numbered line.
type listed struct {
	ID     string `json:"id"`
	Digest string `json:"digest,omitempty"`
}

func (a *app) dir() (string, error) { return client.ConfigDir(a.parts.Env) }

// state reads what the last command left; a file that cannot be read is as none.
func (a *app) state() state {
	var s state
	if dir, err := a.dir(); err == nil {
		if text, err := os.ReadFile(filepath.Join(dir, stateFile)); err == nil && json.Unmarshal(text, &s) != nil {
			s = state{}
		}
	}
	if s.Position == nil {
		s.Position = map[string]uint64{}
	}
	return s
}

func (a *app) keep(s state) {
	dir, err := a.dir()
	if err == nil {
		err = client.WritePrivate(dir, stateFile, s)
	}
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		a.note("not kept: %v", err)
	}
}

// wrote remembers where a change of the person's is.
func (a *app) wrote(c *client.Client, position uint64) {
	s := a.state()
	if position > s.Position[c.Server()] {
		s.Position[c.Server()] = position
		a.keep(s)
	}
}

// position is where the person's last change is.
func (a *app) position(c *client.Client) uint64 { return a.state().Position[c.Server()] }

// numbered finds a line of the last review; ok is false where text is no number.
func (a *app) numbered(c *client.Client, text string) (l listed, ok bool, err error) {
	n, convErr := strconv.Atoi(text)
	if convErr != nil {
		return listed{}, false, nil
	}
	s := a.state()
	if s.Server != c.Server() || n < 1 || n > len(s.Lines) {
		return listed{}, true, failed(exitNotFound, "not_found", "the last list has no line "+text, "curfew review")
	}
	return s.Lines[n-1], true, nil
}

// connection finds the server and the sign-in: flags, then variables, then what is kept.
func (a *app) connection() (server string, login client.Login, err error) {
	dir, err := a.dir()
	if err != nil {
		return "", login, err
	}
	server = a.opt.server
	if server == "" {
		server = a.parts.Env("CURFEW_SERVER")
	}
	token := a.parts.Env("CURFEW_TOKEN")
	kept, err := client.ReadCredentials(dir)
	if err != nil && token == "" {
		return "", login, err
	}
	if server == "" {
		server = kept.Current
	}
	if server == "" {
		return "", login, failed(exitNotSignedIn, "not_signed_in", "you are not signed in to any gateway", "curfew login <the link you were given>")
	}
	if server, err = client.CleanServer(server); err != nil {
		return "", login, err
	}
	login = kept.Servers[server]
	if token != "" {
		login.Token = token
	}
	return server, login, nil
}

// client is the client of a person who is signed in.
func (a *app) client() (*client.Client, error) {
	server, login, err := a.connection()
	if err != nil {
		return nil, err
	}
	if login.Token == "" {
		return nil, failed(exitNotSignedIn, "not_signed_in", "you are not signed in to "+server, "curfew login --server "+server)
	}
	return a.newClient(server, login)
}

func (a *app) newClient(server string, l client.Login) (*client.Client, error) {
	return client.New(server, l.Token, client.Options{
		CA: l.CA, PlainHTTP: l.PlainHTTP, Timeout: a.opt.timeout, Agent: "curfew/" + a.parts.Version,
	})
}
