package ledger

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"github.com/curfewhq/curfew"
)

// Source is what can be verified: a live ledger, or an export.
type Source interface {
	// Read and Heads are those of Ledger.
	Read(ctx context.Context, from uint64, limit int) ([]curfew.Event, error)
	Heads(ctx context.Context, after uint64, limit int) ([][]byte, error)
}

// Checks say how to verify.
type Checks struct {
	// Genesis is the key of the deployment's first node: the one thing to be
	// sure of. Without it the first event's own key is taken, which proves only
	// that the ledger agrees with itself.
	Genesis ed25519.PublicKey
	// EveryHead checks the signature of every head, not only of the last.
	EveryHead bool
	// Witnessed are heads that left the machine: the ledger must pass through them.
	Witnessed [][]byte
	// Law is called with every event, in order; nil: no laws.
	Law func(curfew.Event) error
}

// Report is what verifying found.
type Report struct {
	Deployment string    `json:"deployment"`
	Events     uint64    `json:"events"`
	Heads      uint64    `json:"heads"`
	Last       time.Time `json:"last"`
	OK         bool      `json:"ok"`
	// Problem says in a sentence what is wrong, and Position which event it is about; 0: none in particular.
	Problem  string `json:"problem,omitempty"`
	Position uint64 `json:"position,omitempty"`
}

const pageOfEvents = 4096

// verifying is one run.
type verifying struct {
	src    Source
	checks Checks
	report Report
	tree   Frontier
	keys   []ed25519.PublicKey
	heads  []Head // unchecked ones that are next, by what they say
	after  uint64 // size of the last head fetched
	last   time.Time
	// good is the size up to which the heads agree with the events; where they
	// part, the fault lies between it and the next head.
	good    uint64
	witness []Head
}

// Verify recomputes every root from the events and compares it with the signed
// heads; it names the first event that is not what was signed. It writes nothing
// and needs no database.
func Verify(ctx context.Context, src Source, c Checks) (Report, error) {
	v := &verifying{src: src, checks: c}
	if err := v.run(ctx); err != nil {
		return v.report, err
	}
	v.report.Events, v.report.Last = v.tree.Size, v.last
	v.report.OK = v.report.Problem == ""
	return v.report, nil
}

func (v *verifying) fault(position uint64, format string, args ...any) {
	if v.report.Problem == "" {
		v.report.Position, v.report.Problem = position, fmt.Sprintf(format, args...)
	}
}

func (v *verifying) run(ctx context.Context) error {
	for v.report.Problem == "" {
		events, err := v.src.Read(ctx, v.tree.Size+1, pageOfEvents)
		if err != nil {
			return err
		}
		for _, e := range events {
			if v.event(ctx, e); v.report.Problem != "" {
				return nil
			}
		}
		if len(events) < pageOfEvents {
			break
		}
	}
	v.end(ctx)
	return nil
}

// event takes the next event.
func (v *verifying) event(ctx context.Context, e curfew.Event) {
	want := v.tree.Size + 1
	if e.Position != want {
		v.fault(want, "event %d is missing: after %d comes %d", want, v.tree.Size, e.Position)
		return
	}
	if e.Time.Before(v.last) {
		v.fault(want, "event %d is earlier than the event before it", want)
		return
	}
	if want == 1 && !v.genesis(e) {
		return
	}
	v.tree.Append(LeafHash(e))
	v.last = e.Time
	if e.Kind == curfew.KindNodeAdmitted {
		var b curfew.NodeAdmitted
		if json.Unmarshal(e.Body, &b) == nil && len(b.Key) == ed25519.PublicKeySize {
			v.keys = append(v.keys, b.Key)
		}
	}
	if v.checks.Law != nil {
		if err := v.checks.Law(e); err != nil {
			v.fault(e.Position, "event %d (%s) breaks a law: %s", e.Position, e.Kind, err)
			return
		}
	}
	v.compare(ctx)
}

// genesis takes the first event: the name and the key that everything hangs on.
func (v *verifying) genesis(e curfew.Event) bool {
	var b curfew.DeploymentCreated
	if e.Kind != curfew.KindDeploymentCreated || json.Unmarshal(e.Body, &b) != nil || len(b.Key) != ed25519.PublicKeySize {
		v.fault(1, "the first event does not found a deployment")
		return false
	}
	if v.checks.Genesis != nil && !v.checks.Genesis.Equal(ed25519.PublicKey(b.Key)) {
		v.fault(1, "the first event names another key than the genesis key")
		return false
	}
	v.report.Deployment = b.Deployment
	v.keys = []ed25519.PublicKey{b.Key}
	for _, w := range v.checks.Witnessed {
		h, err := ParseHead(w, b.Deployment, v.keys...)
		if err != nil {
			v.fault(0, "a witnessed head is not signed by this deployment")
			return false
		}
		v.witness = append(v.witness, h)
	}
	return true
}

// compare checks the heads that are over exactly the events so far.
func (v *verifying) compare(ctx context.Context) {
	size := v.tree.Size
	for _, w := range v.witness {
		if w.Size == size && w.Root != v.tree.Root() {
			v.fault(v.good+1, "the events up to %d are not those that a head that left the machine is over: history was written again", size)
			return
		}
	}
	h, ok := v.next(ctx)
	if !ok || h.Size > size {
		return
	}
	if h.Size < size {
		v.fault(size, "event %d stands where a batch ended at %d: it was inserted, or its head was changed", size, h.Size)
		return
	}
	v.heads = v.heads[1:]
	v.report.Heads++
	if h.Root != v.tree.Root() {
		v.fault(v.good+1, "the events %d to %d are not those that were signed: one was edited, removed, inserted or moved", v.good+1, size)
		return
	}
	v.good = size
}

// next is the next head that has not been compared.
func (v *verifying) next(ctx context.Context) (Head, bool) {
	if len(v.heads) == 0 {
		notes, err := v.src.Heads(ctx, v.after, pageOfEvents)
		if err != nil || len(notes) == 0 {
			return Head{}, false
		}
		for i, n := range notes {
			// A signature takes as long as many hashes: only the last head's is
			// needed, for it commits to all events before it.
			h, err := v.parse(n, v.checks.EveryHead || i == len(notes)-1)
			if err != nil {
				v.fault(v.after+1, "the head after %d events is not signed by a key of this deployment", v.after)
				return Head{}, false
			}
			v.heads = append(v.heads, h)
			v.after = h.Size
		}
	}
	return v.heads[0], true
}

func (v *verifying) parse(signed []byte, checked bool) (Head, error) {
	if checked {
		return ParseHead(signed, v.report.Deployment, v.keys...)
	}
	return readHead(signed, v.report.Deployment)
}

// end checks that the events end where the last head says.
func (v *verifying) end(ctx context.Context) {
	if v.report.Problem != "" {
		return
	}
	if v.tree.Size == 0 {
		v.fault(0, "there are no events")
		return
	}
	if h, ok := v.next(ctx); ok && h.Size > v.tree.Size {
		v.fault(v.tree.Size+1, "the events end at %d, and a head is over %d: the end was cut off", v.tree.Size, h.Size)
		return
	}
	if v.report.Problem == "" && v.good != v.tree.Size {
		v.fault(v.good+1, "no head is over the events after %d: they were added by hand", v.good)
		return
	}
	for _, w := range v.witness {
		if w.Size > v.tree.Size {
			v.fault(v.tree.Size+1, "a head that left the machine is over %d events, and there are %d: the ledger was rolled back", w.Size, v.tree.Size)
		}
	}
}

// Check refuses a ledger that is not the one a node remembers: shorter, forked,
// or not empty before a node without memory.
func Check(ctx context.Context, l Ledger, newest Head) error {
	have := l.Head()
	switch {
	case newest.Size == 0 && have.Size == 0:
		return nil
	case newest.Size == 0:
		return curfew.Errorf(curfew.Corrupt, "this node has no memory, and the ledger holds %d events", have.Size).WithRule("ledger.memory").
			WithFix("if it is this deployment's ledger, take it over: curfew restore")
	case have.Size < newest.Size:
		return curfew.Errorf(curfew.Corrupt, "the ledger was rolled back: this node has seen %d events, and it holds %d", newest.Size, have.Size).WithRule("ledger.rolled_back").
			WithFix("put the newer file back; the lawful way to an older one is: curfew restore")
	}
	root, err := rootAt(ctx, l, newest.Size)
	if err != nil {
		return err
	}
	if root != newest.Root {
		return curfew.Errorf(curfew.Corrupt, "the ledger was forked: its first %d events are not those this node has seen", newest.Size).WithRule("ledger.forked").
			WithFix("put the right file back; the lawful way to another one is: curfew restore")
	}
	return nil
}

// rootAt recomputes the root over the first size events, from signed heads where
// one is over exactly them.
func rootAt(ctx context.Context, l Ledger, size uint64) (Hash, error) {
	notes, err := l.Heads(ctx, size-1, 1)
	if err != nil {
		return Hash{}, err
	}
	if len(notes) == 1 {
		events, err := l.Read(ctx, 1, 1)
		if err != nil || len(events) != 1 {
			return Hash{}, err
		}
		var b curfew.DeploymentCreated
		if err := json.Unmarshal(events[0].Body, &b); err == nil {
			if h, err := ParseHead(notes[0], b.Deployment, b.Key); err == nil && h.Size == size {
				return h.Root, nil
			}
		}
	}
	var f Frontier
	for f.Size < size {
		events, err := l.Read(ctx, f.Size+1, int(min(size-f.Size, pageOfEvents)))
		if err != nil || len(events) == 0 {
			return Hash{}, err
		}
		for _, e := range events {
			f.Append(LeafHash(e))
		}
	}
	return f.Root(), nil
}
