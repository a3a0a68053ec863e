package access

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/passkey/passkeytest"
)

const consoleOrigin = "https://curfew.example"

// nodeKey signs the heads of a founded world.
var nodeKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)) //nolint:gochecknoglobals // a constant

// founded is a world whose ledger begins as every real one does.
func founded(t *testing.T) *world {
	w := &world{t: t, l: newFakeLedger()}
	body, err := json.Marshal(curfew.DeploymentCreated{Deployment: "test", Key: nodeKey.Public().(ed25519.PublicKey)})
	if err != nil {
		t.Fatal(err)
	}
	w.l.events = []curfew.Event{{Position: 1, Time: time.Now(), Kind: curfew.KindDeploymentCreated, Body: body}}
	w.start()
	w.people()
	w.settle()
	return w
}

func inFounded(t *testing.T, name string, f func(w *world)) {
	t.Run(name, func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := founded(t)
			f(w)
			if rep := w.verified(w.events()); !rep.OK {
				t.Errorf("the ledger does not verify: %s", rep.Problem)
			}
			w.stop()
		})
	})
}

func (w *world) events() []curfew.Event {
	out, err := w.l.Read(w.ctx, 1, 1<<20)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// configKinds are the events that follow a config.applied.
var configKinds = []curfew.Kind{ //nolint:gochecknoglobals // a constant
	curfew.KindSettingsChanged, curfew.KindRetentionChanged, curfew.KindGroupChanged, curfew.KindManagerChanged,
	curfew.KindResourceChanged, curfew.KindResourceRemoved, curfew.KindRoleChanged, curfew.KindRoleRemoved,
	curfew.KindPolicyChanged, curfew.KindPolicyRemoved, curfew.KindFreezeChanged, curfew.KindFreezeRemoved,
}

// signed gives every event a head, signed with the node's key; what is applied together has one.
type signed []ledger.Record

func (r signed) Records(context.Context) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		for _, x := range r {
			if !yield(x, nil) {
				return
			}
		}
	}
}

// verified has whoever holds the node's key write these events, and checks them offline
// with the genesis key.
func (w *world) verified(events []curfew.Event) ledger.Report {
	w.t.Helper()
	tip := ledger.NewTip(ledger.NewSigner("test", nodeKey))
	var out signed
	for i := 0; i < len(events); {
		at := events[i].Time
		drafts := []ledger.Draft{{Kind: events[i].Kind, Body: events[i].Body}}
		for i++; i < len(events) && slices.Contains(configKinds, events[i].Kind); i++ { // written in one piece
			drafts = append(drafts, ledger.Draft{Kind: events[i].Kind, Body: events[i].Body})
		}
		b, err := tip.Next(at, at, drafts)
		if err != nil {
			w.t.Fatal(err)
		}
		tip.Take(b)
		for i := range b.Events {
			out = append(out, ledger.Record{Event: b.Events[i], Hash: b.Hashes[i]})
		}
		out = append(out, ledger.Record{Note: b.Head.Note, Size: b.Head.Size, Edge: b.Edge})
	}
	checks := Checks() // as the command line and the gateway check
	checks.Genesis, checks.EveryHead = nodeKey.Public().(ed25519.PublicKey), true
	rep, err := ledger.Verify(context.Background(), out, checks)
	if err != nil {
		w.t.Fatal(err)
	}
	return rep
}

// treeHead is the ledger's newest tree head.
func (w *world) treeHead() (uint64, []byte) {
	var f ledger.Frontier
	for _, e := range w.events() {
		f.Append(ledger.LeafHash(e))
	}
	root := f.Root()
	return f.Size, root[:]
}

// record is what a command decides, as it is shown for a touch.
func (w *world) record(c Command) curfew.Record {
	w.t.Helper()
	var r curfew.Record
	var err error
	w.s.View(func(st *State) { r, err = st.RecordOf(c) })
	if err != nil {
		w.t.Fatal(err)
	}
	r.Nonce, r.Expires = bytes.Repeat([]byte{9}, nonceSize), time.Now().Add(2*time.Minute).UTC()
	r.HeadSize, r.HeadRoot = w.treeHead()
	return r
}

func (w *world) enrol(who curfew.Principal) *passkeytest.Authenticator {
	w.t.Helper()
	a := passkeytest.New(who, consoleOrigin)
	w.refused(AddPasskey{Passkey: a.Passkey}, "passkey.first")
	w.do(AddPasskey{Passkey: a.Passkey, Proved: true})
	return a
}

func (w *world) touch(a *passkeytest.Authenticator, c Command) *curfew.Touch {
	w.t.Helper()
	return a.Touch(w.record(c).Canonical())
}

func TestWhoHasAPasskeyDecidesByItsTouch(t *testing.T) {
	inFounded(t, "approving", func(w *world) {
		key := w.enrol(dana)
		id, _ := w.ask(alice, "write", time.Hour)
		c := w.approving(dana, id)
		w.refused(c, "passkey.needed") // whoever has talked the passphrase out of them has nothing
		w.refused(Deny{Request: id, By: dana}, "passkey.needed")

		with := func(x *curfew.Touch) Approve { c := c; c.Touch = x; return c }
		honest := w.record(c)
		for rule, change := range map[string]func(*curfew.Record){
			"passkey.late":    func(r *curfew.Record) { r.Expires = time.Now().UTC() },
			"passkey.record":  func(r *curfew.Record) { r.Nonce = nil },
			"passkey.changed": func(r *curfew.Record) { r.Duration = time.Minute },
		} {
			r := honest
			change(&r)
			w.refused(with(key.Touch(r.Canonical())), rule)
		}
		early := honest
		early.Expires = time.Now().Add(TouchLife + time.Minute).UTC()
		w.refused(with(key.Touch(early.Canonical())), "passkey.late")
		before := honest
		before.HeadSize = 1 // the passkey was not hers then
		w.refused(with(key.Touch(before.Canonical())), "passkey.record")
		w.refused(with(key.Touch(append(honest.Canonical(), ' '))), "passkey.record")
		w.refused(with(key.Touch(honest.Canonical(), func(s *passkeytest.Said) { s.Flags = passkeytest.Present })), "passkey.wrong")
		w.refused(with(passkeytest.New(dana, consoleOrigin).Touch(honest.Canonical())), "passkey.unknown")
		shorter := with(key.Touch(honest.Canonical()))
		shorter.For = time.Minute // another decision than the one that was touched for
		w.refused(shorter, "passkey.changed")

		ben2 := w.enrol(ben)
		w.refused(with(ben2.Touch(honest.Canonical())), "passkey.unknown") // somebody else's
		deny := Deny{Request: id, By: dana, Touch: key.Touch(honest.Canonical())}
		w.refused(deny, "passkey.changed") // approve replayed as deny
		w.do(with(key.Touch(honest.Canonical())))
		if w.grant(c.Grant).ID == "" {
			w.t.Error("no grant came of it")
		}
	})
	inFounded(t, "for less, and denying", func(w *world) {
		key := w.enrol(dana)
		id, _ := w.ask(alice, "write", time.Hour)
		deny := Deny{Request: id, By: dana}
		approve := w.approving(dana, id)
		approve.Touch = w.touch(key, deny)
		w.refused(approve, "passkey.changed") // deny replayed as approve
		deny.Touch = w.touch(key, deny)
		w.do(deny)
		id, _ = w.ask(alice, "write", time.Hour)
		approve = w.approving(dana, id)
		approve.For = 10 * time.Minute
		approve.Touch = w.touch(key, approve)
		w.do(approve)
	})
	inFounded(t, "what was touched for has changed", func(w *world) {
		key := w.enrol(dana)
		id, _ := w.ask(alice, "write", time.Hour)
		c := w.approving(dana, id)
		c.Touch = w.touch(key, c)
		cfg := baseConfig()
		r := cfg.Roles["write"]
		r.Never = []string{"update orders.paid"}
		cfg.Roles["write"] = r
		w.apply(root, cfg)
		if plan := w.onlyPlan(); plan != "" {
			w.do(Agree{Plan: plan, By: ben})
		}
		w.refused(c, string(curfew.NotFound)) // the change voided it
		if w.grant(c.Grant).ID != "" {
			w.t.Error("it was given")
		}
	})
	inFounded(t, "releasing and refusing", func(w *world) {
		_, p := w.writing(1)
		key := w.enrol(dana)
		w.do(hold(p, "st_1"))
		r := releasing(dana, "st_1")
		w.refused(r, "passkey.needed")
		refuse := RefuseStatement{Statement: "st_1", By: dana}
		w.refused(refuse, "passkey.needed")
		refuse.Touch = w.touch(key, r)
		w.refused(refuse, "passkey.changed")
		r.Touch = w.touch(key, r)
		w.do(r)
		w.do(hold(p, "st_2"))
		refuse = RefuseStatement{Statement: "st_2", By: dana}
		refuse.Touch = w.touch(key, refuse)
		w.do(refuse)
	})
	inFounded(t, "agreeing to a plan", func(w *world) {
		key := w.enrol(ben)
		c := baseConfig()
		c.Groups["payments"] = append(c.Groups["payments"], root)
		w.apply(root, c)
		agree := Agree{Plan: w.onlyPlan(), By: ben}
		w.refused(agree, "passkey.needed")
		agree.Touch = w.touch(key, agree)
		w.do(agree)
	})
}

func TestAFurtherPasskeyTakesOneThatIsThere(t *testing.T) {
	inFounded(t, "adding and removing", func(w *world) {
		first, second := w.enrol(dana), passkeytest.NewEdDSA(dana, consoleOrigin)
		add := AddPasskey{Passkey: second.Passkey, Proved: true} // a passphrase is not enough any more
		w.refused(add, "passkey.needed")
		add.Touch = w.touch(second, add)
		w.refused(add, "passkey.unknown") // not by itself
		add.Touch = w.touch(first, AddPasskey{Passkey: passkeytest.New(dana, consoleOrigin).Passkey})
		w.refused(add, "passkey.changed") // not by a touch for another one
		other := add
		other.Principal = ben
		w.do(AddPasskey{Passkey: passkeytest.New(ben, consoleOrigin).Passkey, Proved: true})
		other.Touch = w.touch(first, other)
		w.refused(other, "passkey.unknown") // nobody adds one for somebody else
		add.Touch = w.touch(first, add)
		w.do(add)
		w.refused(add, string(curfew.Conflict))

		remove := RemovePasskey{ID: first.Passkey.ID, Principal: dana}
		w.refused(remove, "passkey.needed")
		w.refused(RemovePasskey{ID: first.Passkey.ID, Principal: ben}, string(curfew.NotFound))
		remove.Touch = w.touch(second, remove)
		w.do(remove)
		w.refused(remove, string(curfew.NotFound))

		id, _ := w.ask(alice, "write", time.Hour)
		c := w.approving(dana, id)
		c.Touch = w.touch(first, c)
		w.refused(c, "passkey.unknown") // it is gone, and stays gone
		back := AddPasskey{Passkey: first.Passkey}
		back.Touch = w.touch(second, back)
		w.refused(back, string(curfew.Conflict))
		c.Touch = w.touch(second, c)
		w.do(c)
	})
	inFounded(t, "strangers and the disabled have none", func(w *world) {
		w.refused(AddPasskey{Passkey: passkeytest.New("p_nobody", consoleOrigin).Passkey}, "principal.disabled")
		w.do(AddPerson{curfew.PrincipalAdded{Principal: "p_new", Kind: curfew.Person, EmailTag: []byte("new"), By: root}})
		w.refused(AddPasskey{Passkey: passkeytest.New("p_new", consoleOrigin).Passkey}, "passkey.person")
		w.do(Disable{Principal: dana, By: root})
		w.refused(AddPasskey{Passkey: passkeytest.New(dana, consoleOrigin).Passkey}, "principal.disabled")
	})
	inFounded(t, "nor more than a few", func(w *world) {
		first := w.enrol(dana)
		for range MostPasskeys - 1 {
			add := AddPasskey{Passkey: passkeytest.New(dana, consoleOrigin).Passkey}
			add.Touch = w.touch(first, add)
			w.do(add)
		}
		w.refused(AddPasskey{Passkey: passkeytest.New(dana, consoleOrigin).Passkey}, string(curfew.Limited))
	})
	inFounded(t, "a restart knows them", func(w *world) {
		w.enrol(dana)
		var st *State
		w.s.View(func(now *State) { st, _ = now.clone() })
		if len(st.PasskeysOf(dana)) != 1 || len(st.Genesis) == 0 {
			w.t.Error("a snapshot forgets passkeys")
		}
		w.stop()
		w.start()
		id, _ := w.ask(alice, "write", time.Hour)
		w.refused(w.approving(dana, id), "passkey.needed")
	})
}

// rewrite changes the body of the one event of a kind, as whoever holds the node's key can.
func rewrite[T any](t *testing.T, events []curfew.Event, k curfew.Kind, change func(*T)) []curfew.Event {
	t.Helper()
	out := append([]curfew.Event{}, events...)
	for i := len(out) - 1; i >= 0; i-- {
		if out[i].Kind != k {
			continue
		}
		var b T
		if err := decode(out[i], &b); err != nil {
			t.Fatal(err)
		}
		change(&b)
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		out[i].Body = text
		return out
	}
	t.Fatalf("there is no %s", k)
	return nil
}

// flipped are records that differ from one in a single field each.
func flipped(r curfew.Record) map[string]curfew.Record {
	out := map[string]curfew.Record{}
	typ := reflect.TypeFor[curfew.Record]()
	for i := range typ.NumField() {
		x := r
		v := reflect.ValueOf(&x).Elem().Field(i)
		switch old := v.Interface().(type) {
		case []byte:
			if len(old) == 0 {
				old = []byte{0}
			}
			b := bytes.Clone(old)
			b[0] ^= 1
			v.SetBytes(b)
		case []string:
			v.Set(reflect.ValueOf(append(append([]string{}, old...), "more")))
		case bool:
			v.SetBool(!old)
		case time.Time:
			v.Set(reflect.ValueOf(old.Add(-time.Second).UTC()))
		case time.Duration:
			v.SetInt(int64(old) + int64(time.Second))
		case uint64:
			v.SetUint(old - 1)
		default:
			v.SetString(v.String() + "x")
		}
		out[typ.Field(i).Name] = x
	}
	return out
}

func TestEveryFieldOfARecordIsChecked(t *testing.T) {
	inFounded(t, "flipped", func(w *world) {
		key := w.enrol(dana)
		id, _ := w.ask(alice, "write", time.Hour)
		c := w.approving(dana, id)
		honest := w.record(c)
		c.Touch = key.Touch(honest.Canonical())
		w.do(c)
		events := w.events()
		with := func(x *curfew.Touch) ledger.Report {
			return w.verified(rewrite(t, events, curfew.KindRequestApproved, func(b *curfew.RequestActed) { b.Touch = x }))
		}
		for field, r := range flipped(honest) {
			text := r.Canonical()
			if field == "Domain" {
				text = bytes.Replace(text, []byte("curfew decision v1"), []byte("curfew decision v2"), 1)
			}
			x := *c.Touch
			x.Record = text
			if rep := with(&x); rep.OK || !strings.Contains(rep.Problem, "touched") && !strings.Contains(rep.Problem, "challenge") && !strings.Contains(rep.Problem, "head") {
				t.Errorf("%s was flipped after the touch: %+v", field, rep)
			}
			switch field {
			case "Nonce", "Expires": // hers to say; what they bound was checked when she said it
				continue
			}
			// Even with a touch of hers: she was shown something else than what was done.
			if rep := with(key.Touch(text)); rep.OK || !strings.Contains(rep.Problem, "request.approved") {
				t.Errorf("%s was flipped before the touch: %+v", field, rep)
			}
		}
		var before ledger.Frontier // the tree before she had the passkey
		for _, e := range events {
			if e.Kind == curfew.KindPasskeyAdded {
				break
			}
			before.Append(ledger.LeafHash(e))
		}
		early, root := honest, before.Root()
		early.HeadSize, early.HeadRoot = before.Size, root[:]
		if rep := with(key.Touch(early.Canonical())); rep.OK || !strings.Contains(rep.Problem, "at which the passkey was not") {
			t.Errorf("a head from before the passkey: %+v", rep)
		}
		for name, x := range map[string]*curfew.Touch{
			"no touch":          nil,
			"another's":         passkeytest.New(dana, consoleOrigin).Touch(honest.Canonical()),
			"of another page":   key.Touch(honest.Canonical(), func(s *passkeytest.Said) { s.Origin = "https://evil.example" }),
			"of another site":   key.Touch(honest.Canonical(), func(s *passkeytest.Said) { s.RP = "evil.example" }),
			"by nobody":         key.Touch(honest.Canonical(), func(s *passkeytest.Said) { s.Flags = 0 }),
			"by anybody":        key.Touch(honest.Canonical(), func(s *passkeytest.Said) { s.Flags = passkeytest.Present }),
			"at a registration": key.Touch(honest.Canonical(), func(s *passkeytest.Said) { s.Type = "webauthn.create" }),
		} {
			if rep := with(x); rep.OK || !strings.Contains(rep.Problem, string(id)) {
				t.Errorf("%s: %+v", name, rep)
			}
		}
	})
	inFounded(t, "an approval written down as a denial", func(w *world) {
		key := w.enrol(dana)
		id, _ := w.ask(alice, "write", time.Hour)
		deny := Deny{Request: id, By: dana}
		deny.Touch = w.touch(key, deny)
		approve := w.approving(dana, id)
		touch := w.touch(key, approve)
		w.do(deny)
		rep := w.verified(rewrite(t, w.events(), curfew.KindRequestDenied, func(b *curfew.RequestActed) { b.Touch = touch }))
		if rep.OK || !strings.Contains(rep.Problem, "the decision is approve") {
			t.Errorf("%+v", rep)
		}
	})
	inFounded(t, "what is before it, written again with the node's key", func(w *world) {
		key := w.enrol(dana)
		id, _ := w.ask(alice, "write", time.Hour)
		c := w.approving(dana, id)
		c.Touch = w.touch(key, c)
		w.do(c)
		// Nothing but the touch knows: no law is broken by what the event says now.
		again := rewrite(t, w.events(), curfew.KindSettingsChanged, func(b *curfew.SettingsChanged) { b.Settings.Settle = time.Minute })
		rep := w.verified(again)
		if rep.OK || !strings.Contains(rep.Problem, "did not have then") || !strings.Contains(rep.Problem, string(id)) {
			t.Errorf("%+v", rep)
		}
		// A head of long ago witnesses too little.
		w.pass(2 * time.Hour)
		late, _ := w.ask(alice, "write", time.Minute)
		d := w.approving(dana, late)
		old := w.record(d)
		w.do(AddPerson{curfew.PrincipalAdded{Principal: "p_new", Kind: curfew.Person, EmailTag: []byte("new"), By: root}})
		w.pass(TouchLife + time.Minute)
		w.do(AddPerson{curfew.PrincipalAdded{Principal: "p_newer", Kind: curfew.Person, EmailTag: []byte("newer"), By: root}})
		d.Touch = w.touch(key, d)
		w.do(d)
		old.Expires = time.Now().Add(time.Minute).UTC()
		rep = w.verified(rewrite(t, w.events(), curfew.KindRequestApproved, func(b *curfew.RequestActed) { b.Touch = key.Touch(old.Canonical()) }))
		if rep.OK || !strings.Contains(rep.Problem, "did not have then") {
			t.Errorf("%+v", rep)
		}
		// Another key in the place of hers does not help.
		forger := passkeytest.New(dana, consoleOrigin)
		again = rewrite(t, w.events(), curfew.KindPasskeyAdded, func(b *curfew.PasskeyAdded) { b.Passkey = forger.Passkey })
		if rep := w.verified(again); rep.OK || !strings.Contains(rep.Problem, "does not have") {
			t.Errorf("%+v", rep)
		}
	})
	inFounded(t, "passkeys that nobody agreed to", func(w *world) {
		first, second := w.enrol(dana), passkeytest.New(dana, consoleOrigin)
		add := AddPasskey{Passkey: second.Passkey}
		add.Touch = w.touch(first, add)
		w.do(add)
		remove := RemovePasskey{ID: first.Passkey.ID, Principal: dana}
		remove.Touch = w.touch(second, remove)
		w.do(remove)
		for name, again := range map[string][]curfew.Event{
			"added": rewrite(t, w.events(), curfew.KindPasskeyAdded, func(b *curfew.PasskeyAdded) { b.Touch = nil }),
			"added by a touch for another": rewrite(t, w.events(), curfew.KindPasskeyAdded, func(b *curfew.PasskeyAdded) {
				b.Passkey.Key = passkeytest.New(dana, consoleOrigin).Passkey.Key
			}),
			"removed":            rewrite(t, w.events(), curfew.KindPasskeyRemoved, func(b *curfew.PasskeyRemoved) { b.Touch = nil }),
			"another's":          rewrite(t, w.events(), curfew.KindPasskeyRemoved, func(b *curfew.PasskeyRemoved) { b.Principal = ben }),
			"removed unknown":    rewrite(t, w.events(), curfew.KindPasskeyRemoved, func(b *curfew.PasskeyRemoved) { b.ID = []byte("another") }),
			"for another person": rewrite(t, w.events(), curfew.KindPasskeyAdded, func(b *curfew.PasskeyAdded) { b.Passkey.Principal = ben }),
		} {
			if rep := w.verified(again); rep.OK || !strings.Contains(rep.Problem, "passkey") {
				t.Errorf("%s: %+v", name, rep)
			}
		}
	})
}

// What was signed is what was given: whoever holds the node's key writes no grant of more
// than that, and none of something else.
func TestAGrantOfMoreThanWasTouchedForIsNamed(t *testing.T) {
	inFounded(t, "granting", func(w *world) {
		key := w.enrol(dana)
		id, _ := w.ask(alice, "write", time.Hour)
		c := w.approving(dana, id)
		c.For = 10 * time.Minute
		c.Touch = w.touch(key, c)
		w.do(c)
		for what, change := range map[string]func(*curfew.GrantApproved){
			"longer than was agreed": func(b *curfew.GrantApproved) { b.Duration = time.Hour },
			"another role's rights":  func(b *curfew.GrantApproved) { b.RoleVersion = "00" },
			"another target":         func(b *curfew.GrantApproved) { b.ResourceVersion = "00" },
			"another policy":         func(b *curfew.GrantApproved) { b.Policy = "reading" },
			"without its workflow":   func(b *curfew.GrantApproved) { b.Workflow = "wf_other" },
			"by somebody else":       func(b *curfew.GrantApproved) { b.By = append(b.By, ben) },
		} {
			if rep := w.verified(forged(t, w.events(), change)); rep.OK {
				t.Errorf("a grant %s is not named", what)
			}
		}
	})
	inFounded(t, "granting later", func(w *world) {
		key := w.enrol(dana)
		ask := w.asking(alice, "write", time.Hour)
		ask.Start = time.Now().Add(2 * time.Hour).UTC()
		w.do(ask)
		c := w.approving(dana, ask.Request)
		c.Touch = w.touch(key, c)
		w.do(c)
		if rep := w.verified(forged(t, w.events(), func(b *curfew.GrantApproved) { b.Start = time.Time{} })); rep.OK {
			t.Error("a grant before its start is not named")
		}
		early := forged(t, w.events(), func(*curfew.GrantApproved) {})
		for i, e := range early {
			if e.Kind == curfew.KindGrantApproved {
				begun, _ := json.Marshal(curfew.GrantStarted{Grant: c.Grant, End: e.Time.Add(time.Minute)})
				early = append(early[:i+1:i+1], curfew.Event{Position: e.Position + 1, Time: e.Time, Kind: curfew.KindGrantStarted, Body: begun})
				break
			}
		}
		if rep := w.verified(early); rep.OK {
			t.Error("a grant that began before its start is not named")
		}
	})
}

// forged are the events with what was given written otherwise.
func forged(t *testing.T, events []curfew.Event, change func(*curfew.GrantApproved)) []curfew.Event {
	out := append([]curfew.Event(nil), events...)
	found := false
	for i, e := range out {
		if e.Kind != curfew.KindGrantApproved {
			continue
		}
		found = true
		var b curfew.GrantApproved
		if err := json.Unmarshal(e.Body, &b); err != nil {
			t.Fatal(err)
		}
		change(&b)
		out[i].Body, _ = json.Marshal(b)
	}
	if !found {
		t.Fatal("nothing was granted")
	}
	return out
}
