package identity

import (
	"context"
	"errors"
	"testing"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/passkey/passkeytest"
)

const console = "http://curfew.localhost:7080"

func (w *world) rule(err error, want string) {
	w.t.Helper()
	e, ok := errors.AsType[*curfew.Error](err)
	if !ok || e.Rule != want && string(e.Code) != want {
		w.t.Errorf("%v, want %s", err, want)
	}
}

// enrolled is a world in which Root has a passkey.
func enrolled(t *testing.T) (*world, *passkeytest.Authenticator) {
	t.Helper()
	w := newWorld(t)
	w.id.At(console)
	a := passkeytest.New(w.root, console)
	m, err := w.id.MakePasskey(t.Context(), w.root, phrase)
	w.ok(err)
	client, attestation := a.Make(m.Challenge)
	add, err := w.id.Made(w.root, m.Ticket, client, attestation)
	w.ok(err)
	_, err = w.access.Do(t.Context(), add)
	w.ok(err)
	return w, a
}

func said(t *curfew.Touch) Said {
	return Said{Passkey: t.Passkey, ClientData: t.ClientData, Authenticator: t.Authenticator, Signature: t.Signature}
}

// verified checks the world's ledger offline.
func (w *world) verified() {
	w.t.Helper()
	checks := access.Checks()
	checks.EveryHead = true
	rep, err := ledger.Verify(context.Background(), ledger.Live(w.ledger), checks)
	w.ok(err)
	if !rep.OK {
		w.t.Errorf("the ledger does not verify: %s", rep.Problem)
	}
}

func TestTheFirstPasskeyTakesThePassphrase(t *testing.T) {
	w := newWorld(t)
	_, err := w.id.MakePasskey(t.Context(), w.root, phrase)
	w.rule(err, "passkey.console")
	w.id.At(console)
	_, err = w.id.MakePasskey(t.Context(), w.root, "")
	w.rule(err, string(curfew.NeedsSignIn)) // a stolen token makes none
	_, err = w.id.MakePasskey(t.Context(), w.root, "another passphrase")
	w.rule(err, "passphrase.wrong")

	a := passkeytest.New(w.root, console)
	m, err := w.id.MakePasskey(t.Context(), w.root, phrase)
	w.ok(err)
	client, attestation := a.Make(m.Challenge)
	_, err = w.id.Made(w.alice, m.Ticket, client, attestation)
	w.rule(err, "passkey.late") // nobody else's
	_, err = w.id.Made(w.root, m.Ticket, client, attestation)
	w.rule(err, "passkey.late") // and tried once
	m, err = w.id.MakePasskey(t.Context(), w.root, phrase)
	w.ok(err)
	_, err = w.id.Made(w.root, m.Ticket, client, attestation)
	w.rule(err, "passkey.wrong") // made for another challenge
}

func TestAPassphraseDecidesNothingBesideAPasskey(t *testing.T) {
	w, a := enrolled(t)
	ctx := t.Context()
	w.rule(w.id.Prove(ctx, w.root, phrase), "passkey.needed")
	if _, err := w.id.SignIn(ctx, "root@acme.io", phrase); err != nil {
		t.Errorf("it signs in no more: %v", err) // and asks and uses, and decides nothing
	}
	w.ok(w.id.ChangePassphrase(ctx, w.root, phrase, phrase+" staple"))
	w.rule(w.id.Prove(ctx, w.root, phrase+" staple"), "passkey.needed")

	// A further one: the passphrase is not asked for, and would not be enough.
	second := passkeytest.NewEdDSA(w.root, console)
	m, err := w.id.MakePasskey(ctx, w.root, "")
	w.ok(err)
	if len(m.Known) != 1 {
		t.Errorf("the browser is not told which they have: %v", m.Known)
	}
	client, attestation := second.Make(m.Challenge)
	add, err := w.id.Made(w.root, m.Ticket, client, attestation)
	w.ok(err)
	_, err = w.access.Do(ctx, add)
	w.rule(err, "passkey.needed")
	ask, err := w.id.AskTouch(w.root, add)
	w.ok(err)
	_, err = w.id.Touch(w.alice, ask.Ticket, said(a.Touch(ask.Record)))
	w.rule(err, "passkey.late")
	ask, err = w.id.AskTouch(w.root, add)
	w.ok(err)
	add.Touch, err = w.id.Touch(w.root, ask.Ticket, said(a.Touch(ask.Record)))
	w.ok(err)
	_, err = w.access.Do(ctx, add)
	w.ok(err)
	_, err = w.id.Touch(w.root, ask.Ticket, said(a.Touch(ask.Record)))
	w.rule(err, "passkey.late") // once

	_, err = w.id.AskTouch(w.alice, access.RemovePasskey{ID: a.Passkey.ID, Principal: w.root})
	w.rule(err, "passkey.unknown") // nobody touches for somebody else
	_, err = w.id.AskTouch(w.root, access.Approve{Request: "rq_none", By: w.root})
	w.rule(err, string(curfew.NotFound))
	w.verified()
}

func TestSigningInByAPasskey(t *testing.T) {
	w, a := enrolled(t)
	fresh := func() []byte {
		ask, err := w.id.AskSignIn()
		w.ok(err)
		return ask.Record
	}
	record := fresh()
	who, err := w.id.SignInByPasskey(record, said(a.Touch(record)), From{})
	if err != nil || who != w.root {
		t.Fatalf("%s %v", who, err)
	}
	_, err = w.id.SignInByPasskey(record, said(a.Touch(record)), From{})
	w.rule(err, string(curfew.NotSignedIn)) // once

	mine := curfew.Record{Act: curfew.ActSignIn, Nonce: make([]byte, 16), Expires: w.access.Now().Add(touchLife)}.Canonical()
	_, err = w.id.SignInByPasskey(mine, said(a.Touch(mine)), From{})
	w.rule(err, string(curfew.NotSignedIn)) // not one of ours
	stranger := passkeytest.New(w.root, console)
	record = fresh()
	_, err = w.id.SignInByPasskey(record, said(stranger.Touch(record)), From{})
	w.rule(err, string(curfew.NotSignedIn))
	_, err = w.id.SignInByPasskey(record, said(a.Touch(record, func(s *passkeytest.Said) { s.Origin = "http://evil.localhost:7080" })), From{})
	w.rule(err, string(curfew.NotSignedIn)) // phished
	_, err = w.id.SignInByPasskey(record, said(a.Touch(fresh())), From{})
	w.rule(err, string(curfew.NotSignedIn)) // for another record

	// A touch for a decision signs nobody in, and one to sign in decides nothing.
	remove := access.RemovePasskey{ID: a.Passkey.ID, Principal: w.root}
	ask, err := w.id.AskTouch(w.root, remove)
	w.ok(err)
	_, err = w.id.SignInByPasskey(ask.Record, said(a.Touch(ask.Record)), From{})
	w.rule(err, string(curfew.NotSignedIn))
	remove.Touch = a.Touch(fresh())
	_, err = w.access.Do(t.Context(), remove)
	w.rule(err, "passkey.record")

	remove.Touch = a.Touch(ask.Record)
	_, err = w.access.Do(t.Context(), remove)
	w.ok(err)
	record = fresh()
	_, err = w.id.SignInByPasskey(record, said(a.Touch(record)), From{})
	w.rule(err, string(curfew.NotSignedIn)) // it is gone
	w.verified()
}

func TestATouchProvesOneThing(t *testing.T) {
	w, a := enrolled(t)
	const what = "POST /people/invite"
	digest := []byte("of eve@acme.io")
	ask := func() (ticket string, touch *curfew.Touch) {
		asked, err := w.id.AskProof(w.root, what, digest)
		w.ok(err)
		return asked.Ticket, a.Touch(asked.Record)
	}
	ticket, touch := ask()
	w.ok(w.id.ProveByTouch(w.root, what, digest, ticket, said(touch)))
	w.rule(w.id.ProveByTouch(w.root, what, digest, ticket, said(touch)), "passkey.late") // once
	ticket, touch = ask()
	w.rule(w.id.ProveByTouch(w.root, "POST /apply", digest, ticket, said(touch)), "passkey.changed")
	ticket, touch = ask()
	w.rule(w.id.ProveByTouch(w.root, what, []byte("of mallory@acme.io"), ticket, said(touch)), "passkey.changed")
	ticket, touch = ask()
	w.rule(w.id.ProveByTouch(w.alice, what, digest, ticket, said(touch)), "passkey.late")
	ticket, _ = ask()
	w.rule(w.id.ProveByTouch(w.root, what, digest, ticket, said(touch)), "passkey.wrong") // of another time
	ticket, touch = ask()
	touch.Passkey = []byte("another")
	w.rule(w.id.ProveByTouch(w.root, what, digest, ticket, said(touch)), "passkey.unknown")
	_, err := w.id.AskProof(w.alice, what, digest)
	w.rule(err, "passkey.unknown") // who has none has a passphrase

	// A touch to decide proves nothing else, and one that proves decides nothing.
	remove := access.RemovePasskey{ID: a.Passkey.ID, Principal: w.root}
	decide, err := w.id.AskTouch(w.root, remove)
	w.ok(err)
	w.rule(w.id.ProveByTouch(w.root, what, digest, decide.Ticket, said(a.Touch(decide.Record))), "passkey.changed")
	_, touch = ask()
	remove.Touch = touch
	_, err = w.access.Do(t.Context(), remove)
	w.rule(err, "passkey.changed")
}

// Whoever has got hold of the address that the console had before signs nobody in, and
// has nobody decide: what was made there does not count here.
func TestAPasskeyOfAnotherConsoleDoesNotCount(t *testing.T) {
	w, a := enrolled(t)
	remove := access.RemovePasskey{ID: a.Passkey.ID, Principal: w.root}
	before, err := w.id.AskTouch(w.root, remove)
	w.ok(err)
	proof, err := w.id.AskProof(w.root, "/people/invite", []byte("of eve@acme.io"))
	w.ok(err)

	w.id.At("https://curfew.acme.io")
	ask, err := w.id.AskSignIn()
	w.ok(err)
	_, err = w.id.SignInByPasskey(ask.Record, said(a.Touch(ask.Record)), From{})
	w.rule(err, string(curfew.NotSignedIn))
	_, err = w.id.AskTouch(w.root, remove)
	w.rule(err, "passkey.unknown")
	_, err = w.id.AskProof(w.root, "/people/invite", []byte("of eve@acme.io"))
	w.rule(err, "passkey.unknown")
	_, err = w.id.Touch(w.root, before.Ticket, said(a.Touch(before.Record)))
	w.rule(err, "passkey.unknown")
	w.rule(w.id.ProveByTouch(w.root, "/people/invite", []byte("of eve@acme.io"), proof.Ticket, said(a.Touch(proof.Record))), "passkey.unknown")
	w.rule(w.id.Prove(t.Context(), w.root, phrase), "passkey.needed") // nor does the passphrase count again
	m, err := w.id.MakePasskey(t.Context(), w.root, phrase)
	w.ok(err)
	made := passkeytest.New(w.root, "https://curfew.acme.io")
	client, attestation := made.Make(m.Challenge)
	add, err := w.id.Made(w.root, m.Ticket, client, attestation)
	w.ok(err)
	_, err = w.access.Do(t.Context(), add)
	w.rule(err, "passkey.needed") // nor is another one the first
}

func TestARecordSignsNobodyInAtAnotherStart(t *testing.T) {
	w, a := enrolled(t)
	ask, err := w.id.AskSignIn()
	w.ok(err)
	_, err = w.id.SignInByPasskey(ask.Record, said(a.Touch(ask.Record)), From{})
	w.ok(err)
	again := New(w.id.parts) // which records signed somebody in is in memory
	again.At(console)
	_, err = again.SignInByPasskey(ask.Record, said(a.Touch(ask.Record)), From{})
	w.rule(err, string(curfew.NotSignedIn))
}

func TestWhoTouchesForNothingIsSlowedDown(t *testing.T) {
	w, a := enrolled(t)
	from := From{Address: "192.0.2.9:1"}
	for range wrongTouches {
		if _, err := w.id.SignInByPasskey([]byte("{}"), Said{}, from); curfew.CodeOf(err) != curfew.NotSignedIn {
			t.Fatal(err)
		}
	}
	ask, err := w.id.AskSignIn()
	w.ok(err)
	if _, err := w.id.SignInByPasskey(ask.Record, said(a.Touch(ask.Record)), from); curfew.CodeOf(err) != curfew.Limited {
		t.Errorf("one more from there: %v", err)
	}
	_, err = w.id.SignInByPasskey(ask.Record, said(a.Touch(ask.Record)), From{Address: "192.0.2.10:1"})
	w.ok(err) // others are not kept out
	if _, err := w.id.SignInFrom(t.Context(), "root@acme.io", phrase, from); err != nil {
		t.Errorf("by passphrase from there: %v", err)
	}
}
