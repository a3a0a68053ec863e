package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
)

// Tip is the growing end of a ledger: the newest head, the tree's right edge, and
// who signs the next. An implementation holds one, and moves it (Take) only when
// a batch is durable.
type Tip struct {
	Signer Signer
	Head   Head
	Tree   Frontier
}

// NewTip is the tip of an empty ledger.
func NewTip(s Signer) Tip { return Tip{Signer: s, Head: Head{Root: (&Frontier{}).Root()}} }

// Batch is drafts that have been given their places, and the head over them.
type Batch struct {
	Events []curfew.Event
	Hashes []Hash // of the events as leaves
	Head   Head
	Tree   Frontier
	// Edge is what is stored with the head: the tree's edge, now and then (EdgeEvery).
	Edge []byte
}

// Bytes is about how long the batch is.
func (b *Batch) Bytes() int {
	n := len(b.Head.Note) + len(b.Edge)
	for _, e := range b.Events {
		n += len(e.Kind) + len(e.Body) + 64
	}
	return n
}

// EdgeEvery is how many events lie at most between two stored edges (or one batch,
// if that is larger), so that a ledger opens without reading all of it.
const EdgeEvery = 1024

// edge is what is stored with a head over the tree, whose batch began after before.
func edge(before uint64, tree *Frontier) []byte {
	if before > 0 && before/EdgeEvery == tree.Size/EdgeEvery {
		return nil
	}
	return tree.Bytes()
}

// Next gives drafts their places after t and signs the head. It does not change t.
// clock is the node's own clock; at is the decider's time and may be later.
func (t *Tip) Next(at, clock time.Time, drafts []Draft) (Batch, error) {
	at = at.UTC()
	if err := t.check(at, drafts); err != nil {
		return Batch{}, err
	}
	b := Batch{Tree: t.Tree.Clone(), Events: make([]curfew.Event, 0, len(drafts)), Hashes: make([]Hash, 0, len(drafts))}
	var leaf []byte
	for _, d := range drafts {
		e := curfew.Event{Position: b.Tree.Size + 1, Time: at, Kind: d.Kind, Body: bytes.Clone(d.Body)}
		if e.Body == nil {
			e.Body = []byte{}
		}
		leaf = AppendLeaf(append(leaf[:0], leafPrefix), e)
		h := hash(leaf)
		b.Tree.Append(h)
		b.Events, b.Hashes = append(b.Events, e), append(b.Hashes, h)
	}
	b.Edge = edge(t.Tree.Size, &b.Tree)
	var err error
	b.Head, err = t.Signer.head(&b.Tree, at, clock, t.Head.Note)
	return b, err
}

// Take moves t to the batch's end.
func (t *Tip) Take(b Batch) { t.Head, t.Tree = b.Head, b.Tree }

func (t *Tip) check(at time.Time, drafts []Draft) error {
	if len(drafts) == 0 {
		return curfew.Errorf(curfew.Invalid, "a batch without events")
	}
	if at.Before(t.Head.Time) {
		return curfew.Errorf(curfew.Invalid, "the batch's time %s lies before the newest event's, %s", at, t.Head.Time)
	}
	if !time.Unix(0, at.UnixNano()).Equal(at) { // 1678 to 2262
		return curfew.Errorf(curfew.Invalid, "the batch's time %s cannot be written in nanoseconds", at)
	}
	for _, d := range drafts {
		if err := CheckDraft(d); err != nil {
			return err
		}
	}
	if t.Head.Size > 0 {
		return nil
	}
	var b curfew.DeploymentCreated
	first := drafts[0]
	if first.Kind != curfew.KindDeploymentCreated || json.Unmarshal(first.Body, &b) != nil ||
		b.Deployment != t.Signer.Deployment() || !bytes.Equal(b.Key, t.Signer.Public()) {
		return curfew.Errorf(curfew.Invalid, "the first event of a ledger names the deployment and the key that signs it").
			WithFix("begin it with ledger.Begin")
	}
	return nil
}

// Genesis is the draft of a new ledger's first event: the deployment and its first node's key.
func Genesis(s Signer) Draft {
	body, err := json.Marshal(curfew.DeploymentCreated{Deployment: s.Deployment(), Key: s.Public()})
	if err != nil {
		panic(err) // a name and a key always encode
	}
	return Draft{Kind: curfew.KindDeploymentCreated, Body: body}
}

// Begin writes the first event of a new ledger, and drafts that belong with it.
func Begin(ctx context.Context, l Ledger, s Signer, at time.Time, drafts ...Draft) error {
	return l.Turn(ctx, func(t Turn) error {
		if t.Head().Size != 0 {
			return curfew.Errorf(curfew.Conflict, "the ledger is not empty")
		}
		_, _, err := t.Append(at, slices.Concat([]Draft{Genesis(s)}, drafts))
		return err
	})
}

// Follow calls f with every event after a position, in order and in pages, and
// then with new ones as they come, until f fails or ctx ends; it returns that
// error or ctx's cause. A follower remembers on the shelf how far it got.
func Follow(ctx context.Context, l Ledger, after uint64, f func([]curfew.Event) error) error {
	for {
		if err := l.Wait(ctx, after); err != nil {
			return err
		}
		events, err := l.Read(ctx, after+1, pageOfEvents)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return curfew.Errorf(curfew.Corrupt, "the ledger says that it has more than %d events, and has not", after)
		}
		if err := f(events); err != nil {
			return err
		}
		after = events[len(events)-1].Position
	}
}
