package ledger

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/curfewhq/curfew"
)

// Checks say how to verify.
type Checks struct {
	// Genesis is the key of the deployment's first node: the one thing to be
	// sure of. Without it the first event's own key is taken, which proves only
	// that the ledger agrees with itself.
	Genesis ed25519.PublicKey
	// EveryHead checks the signature of every head. Without it: of the last one,
	// which commits to all before it byte for byte, and of each that brings a key.
	EveryHead bool
	// Witnessed are heads that left the machine: the ledger must pass through them.
	Witnessed [][]byte
	// Law is called with every event, in order; nil: no laws.
	Law func(curfew.Event) error
	// Head is called with every head that fits the events, after them; nil: nobody looks.
	// An error is of the events under it.
	Head func(Head) error
}

// Report is what verifying found.
type Report struct {
	Deployment string    `json:"deployment"`
	Events     uint64    `json:"events"` // that agree with the heads
	Heads      uint64    `json:"heads"`
	Last       time.Time `json:"last"` // time of the newest event
	OK         bool      `json:"ok"`
	// Problem says in a sentence what is wrong first, and Position which event it
	// is about; 0: none in particular. Where only a batch is known to be wrong,
	// it is the events from Position to Until.
	Problem  string `json:"problem,omitempty"`
	Position uint64 `json:"position,omitempty"`
	Until    uint64 `json:"until,omitempty"`
	// Restored are the restores that the ledger speaks of. Each is a gap that
	// somebody with the node's key answers for.
	Restored []Restored `json:"restored,omitempty"`
	// Head is the last signed head that fits: a note to keep elsewhere.
	Head string `json:"head,omitempty"`
}

// Restored is a lawful way back: the events from Position on took the place of others.
type Restored struct {
	Position uint64    `json:"position"`
	At       time.Time `json:"at"`
	LostTo   uint64    `json:"lost_to,omitempty"` // the last event that is lost; 0: not known
	How      string    `json:"how"`
	Heads    int       `json:"heads"` // witnessed heads that are over lost events
}

// Verify recomputes every root from the events and compares it with the signed
// heads; it names the first event that is not what was signed. It writes nothing
// and needs no database. An error says that the source could not be read, not
// that it is wrong.
func Verify(ctx context.Context, src Source, c Checks) (Report, error) {
	v := &verifying{checks: c, after: sha256.Sum256(nil)}
	for r, err := range src.Records(ctx) {
		switch {
		case curfew.CodeOf(err) == curfew.Corrupt:
			v.fault(v.tree.Size+1, "after event %d: %s", v.tree.Size, err)
		case err != nil:
			return v.report, err
		case r.Note != nil:
			v.head(r)
		default:
			v.event(r)
		}
		if v.report.Problem != "" {
			break
		}
	}
	v.end()
	v.report.OK = v.report.Problem == ""
	return v.report, nil
}

// verifying is one run.
type verifying struct {
	checks Checks
	report Report

	tree Frontier
	leaf []byte    // scratch
	last time.Time // of the newest event

	keys     []ed25519.PublicKey // may sign
	admitted []ed25519.PublicKey // by events that no checked head is over yet
	after    Hash                // of the newest head's note
	newest   said                // the newest head
	checked  bool                // its signature was checked
	good     uint64              // size of the newest head, with which the events agree
	unlawful error               // the first law broken since; told only if the events are the signed ones
	broken   uint64              // which event broke it
	witness  []said              // by size; those still to come
	seen     uint64              // size of the last witnessed head that fitted
}

func (v *verifying) fault(position uint64, format string, args ...any) {
	if v.report.Problem == "" {
		v.report.Position, v.report.Problem = position, fmt.Sprintf(format, args...)
	}
}

// event takes the next event.
func (v *verifying) event(r Record) {
	e, want := r.Event, v.tree.Size+1
	if e.Position != want {
		v.fault(want, "event %d is missing: event %d stands in its place", want, int64(e.Position))
		return
	}
	v.leaf = AppendLeaf(append(v.leaf[:0], leafPrefix), e)
	h := hash(v.leaf)
	if h != r.Hash {
		v.fault(want, "event %d was edited, or another was put in its place: it is not what its hash says", want)
		return
	}
	if want == 1 && !v.genesis(e) {
		return
	}
	if want > 1 && e.Time.Before(v.last) {
		v.fault(want, "event %d is earlier than the event before it", want)
		return
	}
	v.tree.Append(h)
	v.last = e.Time
	if e.Kind == curfew.KindNodeAdmitted {
		v.admit(e)
	}
	if e.Kind == curfew.KindLedgerRestored {
		v.restored(e)
	}
	if v.checks.Law != nil && v.unlawful == nil {
		if v.unlawful = v.checks.Law(e); v.unlawful != nil {
			v.broken = want
		}
	}
	v.witnessed()
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
	return v.readWitness()
}

// admit notes a key. It counts only once a head over the event was signed by a
// key that counted before: or a forger would admit their own.
func (v *verifying) admit(e curfew.Event) {
	var b curfew.NodeAdmitted
	if json.Unmarshal(e.Body, &b) == nil && len(b.Key) == ed25519.PublicKeySize {
		v.admitted = append(v.admitted, b.Key)
	}
}

// head takes the next head, which must be over exactly the events so far.
func (v *verifying) head(r Record) {
	size := v.tree.Size
	h, err := readHead(r.Note)
	if err != nil || r.Size != 0 && r.Size != h.Size {
		v.fault(v.good+1, "the signed head after the one over %d events was edited", v.good)
		return
	}
	if h.before != v.after {
		v.fault(v.good, "a signed head is not the one that the next was signed after: the head over %d events was edited, or one after it removed", v.good)
		return
	}
	if h.Size > size {
		v.fault(size+1, "event %d is missing: a head is over %d events, and there are %d", size+1, h.Size, size)
		return
	}
	if h.Root != v.tree.Root() || h.Size < size || !h.Time.Equal(v.last) || h.Size == v.good {
		v.mismatch(h)
		return
	}
	if r.Size != 0 && !bytes.Equal(r.Edge, edge(v.good, &v.tree)) {
		v.fault(size, "the tree's edge that is stored with the head over %d events was edited", size)
		return
	}
	v.newest, v.after, v.good, v.checked = h, sha256.Sum256(r.Note), size, false
	v.report.Heads++
	if v.checks.Head != nil && v.unlawful == nil {
		if v.unlawful = v.checks.Head(h.Head); v.unlawful != nil {
			v.broken = size
		}
	}
	if v.checks.EveryHead || len(v.admitted) > 0 {
		v.signature()
	}
	if v.unlawful != nil {
		v.fault(v.broken, "event %d breaks a law: %s", v.broken, v.unlawful)
	}
}

// mismatch tells a changed head from changed events: who changed a head could not sign it.
func (v *verifying) mismatch(h said) {
	first, size := v.good+1, v.tree.Size
	if !h.signedBy(v.report.Deployment, append(v.keys, v.admitted...)) {
		v.fault(first, "the signed head over %d events was edited, or put there by hand", h.Size)
		return
	}
	if first >= size {
		v.fault(size, "event %d is not the one that was signed: it was edited, removed, inserted or moved", size)
		return
	}
	v.fault(first, "the events %d to %d are not those that were signed: one was edited, removed, inserted or moved", first, size)
	v.report.Until = size
}

// signature checks who signed the newest head; then what it brings counts.
func (v *verifying) signature() {
	if !v.newest.signedBy(v.report.Deployment, v.keys) {
		v.fault(v.newest.Size, "the head over %d events is not signed by a key of this deployment", v.newest.Size)
		return
	}
	v.checked = true
	v.keys, v.admitted = append(v.keys, v.admitted...), nil
}

// end checks that the events end where the last head says.
func (v *verifying) end() {
	if v.report.Problem == "" {
		switch {
		case v.tree.Size == 0:
			v.fault(0, "there are no events")
		case v.good == 0:
			v.fault(1, "there is no signed head")
		case v.good != v.tree.Size:
			v.fault(v.good+1, "no signed head is over the events after %d: they were added by hand, or the end was cut off", v.good)
		case !v.checked:
			v.signature()
		}
	}
	v.missedWitness()
	v.report.Events, v.report.Last, v.report.Head = v.good, v.newest.Time, string(v.newest.Note)
}
