package evidence

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/seal"
)

// Checks say what to verify against.
type Checks struct {
	// Genesis is the key of the deployment's first node: the one thing to be sure
	// of. Without it the file's own is taken, which proves only that it agrees with itself.
	Genesis ed25519.PublicKey
	// Session is the one that the file should be of; empty: whichever it is.
	Session curfew.SessionID
	// Item is called with every item, in order, before the file is known to be whole; nil: nobody looks.
	Item func(record.Item) error
	// Event is the same for events.
	Event func(curfew.Event) error
}

// Report is what verifying found.
type Report struct {
	OK bool `json:"ok"`
	// Problem says in a sentence what was changed first; Line is where in the file; 0: nowhere in particular.
	Problem string `json:"problem,omitempty"`
	Line    int    `json:"line,omitempty"`

	Deployment string              `json:"deployment"`
	Session    curfew.SessionID    `json:"session"`
	Principal  curfew.Principal    `json:"principal"`
	Resource   curfew.ResourceName `json:"resource"`
	Role       curfew.RoleName     `json:"role"`
	Grant      curfew.GrantID      `json:"grant"`
	Approved   []curfew.Principal  `json:"approved,omitempty"`
	Touched    []curfew.Principal  `json:"touched,omitempty"` // of them, whose passkey signed it, which was checked
	Opened     time.Time           `json:"opened"`
	Ended      time.Time           `json:"ended,omitzero"`
	Cause      curfew.Cause        `json:"cause,omitempty"`
	Exported   time.Time           `json:"exported"`
	By         curfew.Principal    `json:"by"`     // who exported it
	Shapes     bool                `json:"shapes"` // without values; the recording itself is not in the file
	Events     int                 `json:"events"`
	Chunks     int                 `json:"chunks"`
	Items      int                 `json:"items"`
	Closed     bool                `json:"closed"` // the recording ends as its session ended
	// Anchored is how many items were committed to in the ledger before the export,
	// at the latest at AnchoredAt.
	Anchored   int       `json:"anchored"`
	AnchoredAt time.Time `json:"anchored_at,omitzero"`
	Size       uint64    `json:"size"` // of the ledger whose head it rests on
}

// Verify reads a file and names the first thing in it that is not what was signed.
// An error says that it could not be read, not that it is wrong.
func Verify(r io.Reader, c Checks) (Report, error) {
	pack, err := record.NewPacker()
	if err != nil {
		return Report{}, err
	}
	v := &verifying{lines: lines{r: bufio.NewReaderSize(r, 1<<18)}, checks: c, pack: pack, digest: sha256.New()}
	err = v.all()
	var f fault
	if errors.As(err, &f) {
		v.report.Problem, err = f.problem, nil
		if !f.whole {
			v.report.Line = v.lines.number
		}
	}
	v.report.OK = err == nil && v.report.Problem == ""
	return v.report, err
}

// fault is something that was changed.
type fault struct {
	problem string
	whole   bool // of the file, not of its line
}

func (f fault) Error() string { return f.problem }

func bad(format string, args ...any) error { return fault{problem: fmt.Sprintf(format, args...)} }

// verifying is one run.
type verifying struct {
	lines  lines
	checks Checks
	report Report
	pack   *record.Packer

	head     header
	signed   ledger.Head
	events   []curfew.Event
	story    story
	chain    *record.Chain
	anchors  []anchor // of the recording, in the order of the ledger
	passed   int      // of them, how many the chain has passed through
	digest   hash.Hash
	expected []record.Item // of the chunk that was opened last
}

// anchor is a head that the ledger holds.
type anchor struct {
	head     []byte
	at       time.Time
	position uint64
}

func (v *verifying) all() error {
	for _, part := range []func() error{v.start, v.allEvents, v.recording, v.finish} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// start reads the header; what it says is checked against what is proved later.
func (v *verifying) start() error {
	kind, err := v.lines.next()
	if f := (fault{}); errors.Is(err, io.EOF) || errors.As(err, &f) || err == nil && kind != "evidence" {
		return curfew.Errorf(curfew.Invalid, "this is no evidence of a session").WithFix("make one: curfew sessions export SESSION > FILE")
	}
	if err != nil {
		return err
	}
	if err := v.lines.decode(&v.head); err != nil {
		return err
	}
	v.report.Session, v.report.Shapes = v.head.Session, v.head.Shapes
	switch {
	case v.head.Format != format:
		return curfew.Errorf(curfew.Invalid, "the file has the format %d, this version reads %d", v.head.Format, format).WithFix("verify it with the version that wrote it, or a newer one")
	case v.checks.Session != "" && v.head.Session != v.checks.Session:
		return bad("the file is of the session %.40s, not of %s", v.head.Session, v.checks.Session)
	case v.head.Shapes != (v.head.Key == ""):
		return bad("the header was edited: a file of shapes has no key, every other has one")
	}
	return v.lines.same(func(b []byte) ([]byte, error) { return appendLine(b, "evidence", v.head) })
}

// allEvents reads the events, each proved in the signed head.
func (v *verifying) allEvents() error {
	for {
		kind, err := v.lines.next()
		if errors.Is(err, io.EOF) {
			return bad("the file was cut short after %d events", len(v.events))
		}
		if err != nil {
			return err
		}
		if kind != "event" {
			v.lines.back()
			return v.checkStory()
		}
		if err := v.event(); err != nil {
			return err
		}
	}
}

func (v *verifying) event() error {
	var e event
	if err := v.lines.decode(&e); err != nil {
		return err
	}
	p := ledger.Proved{Event: curfew.Event{Position: e.Position, Time: e.Time.UTC(), Kind: curfew.Kind(e.Kind), Body: e.Body}}
	for _, h := range e.Path {
		if len(h) != sha256.Size {
			return bad("the path of event %d was edited", e.Position)
		}
		p.Path = append(p.Path, ledger.Hash(h))
	}
	if err := v.lines.same(func(b []byte) ([]byte, error) { return appendEvent(b, p) }); err != nil {
		return err
	}
	if len(v.events) == 0 {
		if err := v.genesis(p.Event); err != nil {
			return err
		}
	}
	if !p.In(v.signed.Size, v.signed.Root) {
		return bad("event %d (%.40s) is not in the signed ledger: it was edited, or is of another one", e.Position, e.Kind)
	}
	if n := len(v.events); n > 0 && v.events[n-1].Position >= e.Position {
		return bad("event %d stands after event %d: events were moved or repeated", e.Position, v.events[n-1].Position)
	}
	v.events = append(v.events, p.Event)
	v.report.Events++
	if v.checks.Event != nil {
		return v.checks.Event(p.Event)
	}
	return nil
}

// genesis takes the first event: the deployment and its key, which signed the head.
func (v *verifying) genesis(e curfew.Event) error {
	var b curfew.DeploymentCreated
	if e.Position != 1 || e.Kind != curfew.KindDeploymentCreated || json.Unmarshal(e.Body, &b) != nil || len(b.Key) != ed25519.PublicKeySize {
		return bad("the first event does not found a deployment")
	}
	if v.checks.Genesis != nil && !v.checks.Genesis.Equal(ed25519.PublicKey(b.Key)) {
		return bad("the file rests on another key than the genesis key: it is of another deployment, or forged")
	}
	v.report.Deployment = b.Deployment
	var err error
	if v.signed, err = ledger.ParseHead([]byte(v.head.Head), b.Deployment, b.Key); err != nil {
		return bad("the head of the ledger is not signed by the key of %.40s: it was edited, or signed with another key", b.Deployment)
	}
	if !asSigned(v.head.Head) {
		return bad("the head of the ledger was edited: it is not as the ledger writes it")
	}
	v.report.Size = v.signed.Size
	return nil
}

// asSigned reports whether a signed head has one signature, written in the one way:
// others are passed over where signatures are checked (C2SP signed-note).
func asSigned(head string) bool {
	_, signature, _ := strings.Cut(head, "\n\n")
	line, ok := strings.CutSuffix(signature, "\n")
	text := line[strings.LastIndexByte(line, ' ')+1:]
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	return ok && err == nil && base64.StdEncoding.EncodeToString(raw) == text && !strings.Contains(line, "\n")
}

// recording reads the chunks and items.
func (v *verifying) recording() error {
	if !v.head.Shapes {
		key, err := seal.ParseKey(v.head.Key)
		if err != nil {
			return bad("the recording's key in the header was edited")
		}
		v.chain = record.NewChain(v.head.Session, key, v.pack)
		v.passes()
	}
	for {
		kind, err := v.lines.next()
		if errors.Is(err, io.EOF) {
			return bad("the file was cut short after %d items", v.report.Items)
		}
		if err != nil {
			return err
		}
		switch kind {
		case "chunk":
			err = v.chunk()
		case "item":
			v.lines.back()
			err = v.items()
		case "end":
			return v.end()
		default:
			err = bad("there is a line of the kind %.40q where chunks and items are", kind)
		}
		if err != nil {
			return err
		}
	}
}

// chunk opens the next chunk.
func (v *verifying) chunk() error {
	var c chunk
	if err := v.lines.decode(&c); err != nil {
		return err
	}
	if err := v.lines.same(func(b []byte) ([]byte, error) { return appendLine(b, "chunk", c) }); err != nil {
		return err
	}
	want := v.report.Chunks + 1
	switch {
	case v.chain == nil:
		return bad("a file of shapes has no chunks: this one was put there")
	case len(v.expected) > 0:
		return bad("item %d was removed, and what follows it in chunk %d", v.report.Items+1, want-1)
	case c.Number != want:
		return bad("chunk %d stands where chunk %d has to be: chunks were removed, repeated or moved", c.Number, want)
	}
	items, err := v.chain.OpenBox(c.Sealed)
	if err != nil {
		return bad("chunk %d, which begins with item %d, is not what was recorded: it was edited, moved, or is of another session, or the key in the header was edited", want, v.report.Items+1)
	}
	v.report.Chunks = want
	v.expected = items
	v.passes()
	if len(items) == 0 {
		return nil
	}
	return v.items()
}

// passes notes the anchored heads that the chain is at now.
func (v *verifying) passes() {
	h := v.chain.Head()
	for v.passed < len(v.anchors) && bytes.Equal(v.anchors[v.passed].head, h[:]) {
		if v.anchors[v.passed].position != v.story.export.Position {
			v.report.Anchored, v.report.AnchoredAt = v.report.Items+len(v.expected), v.anchors[v.passed].at
		}
		v.passed++
	}
}

func (v *verifying) end() error {
	var e end
	if err := v.lines.decode(&e); err != nil {
		return err
	}
	if err := v.lines.same(func(b []byte) ([]byte, error) { return appendLine(b, "end", e) }); err != nil {
		return err
	}
	if len(v.expected) > 0 {
		return bad("item %d was removed, and what follows it in chunk %d", v.report.Items+1, v.report.Chunks)
	}
	if e.Events != v.report.Events || e.Chunks != v.report.Chunks || e.Items != v.report.Items {
		return bad("the file says at its end that it has %d events, %d chunks and %d items, and has %d, %d and %d", e.Events, e.Chunks, e.Items, v.report.Events, v.report.Chunks, v.report.Items)
	}
	if kind, err := v.lines.next(); err == nil {
		return bad("a line of the kind %.40q was added after the end", kind)
	} else if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// finish compares the recording with the heads that the ledger holds.
func (v *verifying) finish() error {
	x := v.story.exported
	if v.chain == nil {
		if v.report.Items != x.Items {
			return fault{fmt.Sprintf("%d items were exported, and there are %d: some were removed or inserted", x.Items, v.report.Items), true}
		}
		if !bytes.Equal(v.digest.Sum(nil), x.Digest) {
			return fault{"an item is not the one that was exported: it was edited, removed, inserted or moved", true}
		}
		return nil
	}
	if v.passed < len(v.anchors) {
		return fault{fmt.Sprintf("the recording is not the one whose head event %d of the ledger holds: after item %d, the last that an earlier head is over, it was cut short or written again",
			v.anchors[v.passed].position, v.report.Anchored), true}
	}
	if v.report.Chunks != x.Chunks || v.report.Items != x.Items || !bytes.Equal(v.digest.Sum(nil), x.Digest) {
		return fault{fmt.Sprintf("%d chunks with %d items were exported, and there are %d with %d", x.Chunks, x.Items, v.report.Chunks, v.report.Items), true}
	}
	return nil
}
