package ssh

import (
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/session"
)

// personKey is where a certificate's holder is kept until the client has proved that it has the key.
type personKey struct{}

// shown looks at a key that a client offers. Nothing follows from it yet: anybody can
// offer anybody's certificate.
func (c *client) shown(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
	gate, ok := c.gate.(engine.Recognizer)
	if _, cert := key.(*ssh.Certificate); !ok || !cert {
		return nil, errStranger
	}
	p, err := gate.Recognize(c.ctx, key.Marshal(), c.conn.RemoteAddr().String())
	if err != nil {
		return nil, errStranger
	}
	return &ssh.Permissions{ExtraData: map[any]any{personKey{}: p}}, nil
}

// recognized goes on with somebody who has the key of a certificate: it says who they
// are. What they hold lets them in; what they can ask for is asked on this connection.
func (c *client) recognized(m ssh.ConnMetadata, _ ssh.PublicKey, perms *ssh.Permissions, _ string) (*ssh.Permissions, error) {
	p, ok := perms.ExtraData[personKey{}].(engine.Person)
	if !ok || c.s != nil || c.person != nil {
		return nil, errStranger
	}
	c.person = &p
	if ending, ok := inLobby(m.User()); ok && c.at == "" {
		c.ending = ending
		return nil, nil //nolint:nilnil // somebody who goes on from here, with no permission
	}
	held, open := c.find(m.User())
	all := held
	held, open = c.to.fit(held), c.to.fit(open)
	switch {
	case len(held) == 1:
		return nil, c.goBy(m, held[0], engine.Question{})
	case len(held) > 1:
		c.ways = held
		c.sayBefore("you hold "+roles(held)+" on "+c.place()+"; which one is asked for now", "to name one: ssh "+c.place()+"+"+last(held[0])+"@…")
	case len(open) > 0:
		c.ways = open
		c.sayBefore("you have no access to "+c.place()+" now; you can ask for it here", "where nobody can answer: curfew request "+say.Clean(string(open[0].Role), 100)+" --on "+c.place()+" --for 30m --reason …")
	case len(all) > 0:
		return nil, c.goBy(m, all[0], engine.Question{}) // its role's logins are others, and so it is said
	default:
		return nil, c.turnAway(curfew.Errorf(curfew.Denied, "you have no access to %q now, and there is none that you can ask for", say.Clean(c.to.name, 64)).WithRule("resource.none").
			WithFix("%s", c.instead()))
	}
	return nil, &ssh.PartialSuccessError{Next: ssh.ServerAuthCallbacks{KeyboardInteractiveCallback: c.converse}}
}

// find finds what a user name means to a person: the first reading that leads anywhere.
func (c *client) find(user string) (held, open []engine.Path) {
	gate := c.gate.(engine.Recognizer) //nolint:forcetypeassert // it has recognized them
	all := destinationsOf(user)
	if c.at != "" {
		all = at(user, c.at)
		if len(all) > 1 && all[1].role != "" {
			all = all[1:] // no login has a +
		}
	}
	for _, d := range all {
		if held, open = gate.Paths(*c.person, curfew.ResourceName(d.name)); len(held)+len(open) > 0 {
			c.to = d
			return held, open
		}
	}
	c.to = all[len(all)-1]
	return nil, nil
}

func (c *client) place() string { return say.Clean(c.to.name, 64) }

// instead says where else they can go.
func (c *client) instead() string {
	var names []string
	for _, n := range c.gate.(engine.Recognizer).Reaches(*c.person) { //nolint:forcetypeassert // it has recognized them
		if names = append(names, say.Clean(string(n), 64)); len(names) == mostNamed {
			break
		}
	}
	if len(names) == 0 {
		return "what you can ask for: curfew find"
	}
	return "ssh RESOURCE@…, one of: " + strings.Join(names, ", ")
}

// mostNamed is how many resources are named to somebody who named one that is none.
const mostNamed = 12

// goBy opens a session by a way.
func (c *client) goBy(m ssh.ConnMetadata, way engine.Path, q engine.Question) error {
	gate := c.gate.(engine.Recognizer) //nolint:forcetypeassert // it has recognized them
	claim := c.claim(m, string(way.Resource))
	return c.begin(c.to, func() (*session.Session, error) { return gate.OpenAs(c.ctx, *c.person, way, q, claim, c) })
}

// sayBefore says what comes, to clients that can answer and to those that cannot.
func (c *client) sayBefore(line, fix string) {
	_ = c.conn.SetDeadline(time.Now().Add(talkBound))
	_ = c.pre.SendAuthBanner("Curfew: " + line + ".\r\n  " + fix + "\r\n")
}

func roles(ways []engine.Path) string {
	var out []string
	for _, w := range ways {
		out = append(out, say.Clean(string(w.Role), 64))
	}
	return strings.Join(out, " and ")
}

// last is the last part of a role's name.
func last(w engine.Path) string {
	return say.Clean(string(w.Role[strings.LastIndexByte(string(w.Role), '/')+1:]), 64)
}
