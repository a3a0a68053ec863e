package api

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/identity"
)

func (s *Server) passkeyRoutes() {
	add(s, SignedIn, http.MethodGet, "/passkeys", "List the caller's passkeys", s.listPasskeys)
	add(s, SignedIn, http.MethodPost, "/passkeys/make", "Begin to make a passkey, in the caller's browser", s.makePasskey)
	add(s, SignedIn, http.MethodPost, "/passkeys", "Add the passkey that the browser made: at once if it is the first, else by a touch of one that is there", s.addPasskey)
	add(s, SignedIn, http.MethodPost, "/passkeys/{id}/remove", "Remove one of the caller's passkeys: by a touch", s.removePasskey)
}

func passkeyOf(p *access.Passkey) client.Passkey {
	return client.Passkey{ID: base64.RawURLEncoding.EncodeToString(p.ID), Origin: p.Origin, Added: p.Added}
}

func (s *Server) listPasskeys(_ context.Context, c caller, _ *struct{}) (*body[client.List[client.Passkey]], error) {
	out := client.List[client.Passkey]{Items: []client.Passkey{}}
	s.parts.Access.View(func(st *access.State) {
		out.Position = st.Size
		for _, p := range st.PasskeysOf(c.who) {
			out.Items = append(out.Items, passkeyOf(p))
		}
	})
	return &body[client.List[client.Passkey]]{out}, nil
}

func (s *Server) makePasskey(ctx context.Context, c caller, in *struct{ Body client.PasskeyAsk }) (*body[client.PasskeyMaking], error) {
	m, err := s.parts.Identity.MakePasskey(ctx, c.who, in.Body.Passphrase)
	if err != nil {
		return nil, err
	}
	me := s.whoIs(ctx, c.who)
	out := client.PasskeyMaking{Ticket: m.Ticket, Challenge: m.Challenge, Known: m.Known, RP: m.RP, User: []byte(c.who), Name: me.Email, Display: me.Name}
	return &body[client.PasskeyMaking]{out}, nil
}

func (s *Server) addPasskey(ctx context.Context, c caller, in *struct{ Body client.PasskeyMade }) (*body[client.PasskeyAdded], error) {
	cmd, err := s.parts.Identity.Made(c.who, in.Body.Ticket, in.Body.ClientData, in.Body.Attestation)
	if err != nil {
		return nil, err
	}
	if !s.hasPasskey(c.who) {
		return s.passkeyAdded(ctx, cmd)
	}
	what := prepared{title: "Add a passkey", lines: []string{"Whoever has it signs in and decides as you, from then on."}, command: cmd, run: func(ctx context.Context, c caller) (any, error) {
		cmd.Touch = c.touch
		out, err := s.passkeyAdded(ctx, cmd)
		if err != nil {
			return nil, err
		}
		return out.Body, nil
	}}
	t, err := s.await(ctx, c, "/passkeys", SignedIn, what, len(cmd.Key))
	if err != nil {
		return nil, err
	}
	return &body[client.PasskeyAdded]{client.PasskeyAdded{Touch: &t.Body}}, nil
}

func (s *Server) passkeyAdded(ctx context.Context, cmd access.AddPasskey) (*body[client.PasskeyAdded], error) {
	if _, err := s.parts.Access.Do(ctx, cmd); err != nil {
		return nil, err
	}
	var out client.Passkey
	s.parts.Access.View(func(st *access.State) {
		if p := st.Passkey(cmd.ID); p != nil {
			out = passkeyOf(p)
		}
	})
	return &body[client.PasskeyAdded]{client.PasskeyAdded{Passkey: &out}}, nil
}

func noSuchPasskey() error {
	return curfew.Errorf(curfew.NotFound, "you have no such passkey").WithRule("touch.passkey")
}

func (s *Server) showRemovePasskey(_ context.Context, c caller, id string, _ client.Decision) (prepared, error) {
	raw, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return prepared{}, noSuchPasskey()
	}
	p := prepared{title: "Remove a passkey of yours", command: access.RemovePasskey{ID: raw, Principal: c.who}}
	found := false
	s.parts.Access.View(func(st *access.State) {
		if k := st.Passkey(raw); k != nil && k.Principal == c.who {
			found = true
			p.lines = []string{"The one that was added " + k.Added.UTC().Format("2006-01-02 15:04 MST") + ", at " + k.Origin + ". It never counts again."}
			if len(st.PasskeysOf(c.who)) == 1 {
				p.lines = append(p.lines, "It is your last one: your passphrase decides again.")
			}
		}
	})
	if !found {
		return p, noSuchPasskey()
	}
	return p, nil
}

func (s *Server) removePasskey(ctx context.Context, c caller, in *IDIn) (*body[client.Done], error) {
	raw, err := base64.RawURLEncoding.DecodeString(in.ID)
	if err != nil {
		return nil, noSuchPasskey()
	}
	return took(s.parts.Access.Do(ctx, access.RemovePasskey{ID: raw, Principal: c.who, Touch: c.touch}))
}

// PasskeyChallenge begins a browser's sign-in by a passkey.
func (s *Server) PasskeyChallenge() (client.TouchChallenge, error) {
	t, err := s.parts.Identity.AskSignIn()
	if err != nil {
		return client.TouchChallenge{}, err
	}
	return client.TouchChallenge{Challenge: t.Challenge, Record: t.Record, Passkeys: [][]byte{}, RP: t.RP}, nil
}

// SignInByPasskey signs a browser in by a touch.
func (s *Server) SignInByPasskey(ctx context.Context, record []byte, in client.Touched, from identity.From) (cookie, known string, err error) {
	who, err := s.parts.Identity.SignInByPasskey(record, said(in), from)
	if err != nil {
		return "", "", err
	}
	return s.signedIn(ctx, who, from)
}
