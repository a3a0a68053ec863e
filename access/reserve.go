package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// reserveSize is the room a reserve takes on disk before it is needed.
const reserveSize = 1 << 20

// struck is what a line of the reserve begins with once it is in the ledger.
const struck = '-'

// Reserve is a file of fixed size, apart from the ledger, that keeps commands
// which have acted and are not written yet, a line each. Its room is taken
// beforehand: a full disk does not stop it. What it keeps survives the process
// at once, and the machine once the disk answers.
type Reserve struct {
	mu   sync.Mutex
	file *os.File // guarded by mu
	used int64    // guarded by mu
	live int      // lines that are not struck; guarded by mu
	owed []int64  // lines whose striking failed; guarded by mu
}

// line is one line's place. The zero value is a line that is not written yet.
type line struct {
	at             int64
	written, ended bool // guarded by the reserve's mu
}

// keptLine is what a line says.
type keptLine struct {
	At      time.Time       `json:"at"`
	Do      string          `json:"do"`
	Command json.RawMessage `json:"command"`
}

// OpenReserve opens the file at path, or makes it.
func OpenReserve(path string) (*Reserve, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the reserve")
	}
	info, err := f.Stat()
	if err == nil && info.Size() < reserveSize {
		_, err = f.WriteAt(make([]byte, reserveSize-info.Size()), info.Size())
	}
	if err != nil {
		return nil, errors.Join(curfew.Wrap(curfew.Unavailable, err, "make room for the reserve"), f.Close())
	}
	return &Reserve{file: f}, nil
}

// keep adds a command that has acted, unless it has been struck meanwhile.
func (r *Reserve) keep(a *acted) error {
	command, err := json.Marshal(a.command)
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "encode what acts")
	}
	text, err := json.Marshal(keptLine{a.at, nameOf(a.command), command})
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "encode what acts")
	}
	text = append(text, '\n')
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case a.line.ended:
		return nil
	case r.used+int64(len(text)) > reserveSize:
		return curfew.Errorf(curfew.Unavailable, "the reserve is full: %d commands wait for the ledger", r.live)
	}
	if _, err := r.file.WriteAt(text, r.used); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the reserve")
	}
	a.line.at, a.line.written = r.used, true
	r.used += int64(len(text))
	r.live++
	return nil
}

// holds reports whether a line is written and counts.
func (r *Reserve) holds(l *line) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return l.written && !l.ended
}

// strike says that a line's command is in the ledger. A file without a line that
// counts begins again from its start.
func (r *Reserve) strike(l *line) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l.ended {
		return nil
	}
	l.ended = true
	if !l.written {
		return nil
	}
	r.live--
	r.owed = append(r.owed, l.at)
	var err error
	if r.live == 0 {
		if _, err = r.file.WriteAt(make([]byte, r.used), 0); err == nil {
			r.used, r.owed = 0, nil
		}
		return err
	}
	for len(r.owed) > 0 && err == nil {
		if _, err = r.file.WriteAt([]byte{struck}, r.owed[0]); err == nil {
			r.owed = r.owed[1:]
		}
	}
	return err
}

// kept reads what the last run left. A line that was torn is the last one, and
// is left out: nobody was told that it is kept.
func (r *Reserve) kept() ([]*acted, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := r.file.Stat()
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the reserve")
	}
	text := make([]byte, info.Size())
	if _, err := r.file.ReadAt(text, 0); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the reserve")
	}
	var out []*acted
	r.used, r.live = 0, 0
	for raw := range bytes.Lines(text) {
		at := r.used
		if raw[0] == struck {
			r.used += int64(len(raw))
			continue
		}
		var k keptLine
		if raw[0] == 0 || json.Unmarshal(raw, &k) != nil {
			break
		}
		c, err := commandOf(k.Do, k.Command)
		if err != nil {
			return nil, err
		}
		r.used += int64(len(raw))
		r.live++
		out = append(out, &acted{command: c, at: k.At, line: &line{at: at, written: true}})
	}
	return out, nil
}

// Close closes the file.
func (r *Reserve) Close() error {
	err := r.file.Close()
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

// nameOf is what a command is called in the reserve; "" for those that are not
// kept, and wait until they are written: a change of configuration may be larger
// than the reserve, and is planned against a version of it.
func nameOf(c Command) string {
	switch c.(type) {
	case Return:
		return "return"
	case Revoke:
		return "revoke"
	case Shorten:
		return "shorten"
	case CutSession:
		return "cut"
	case Disable:
		return "disable"
	case SignOutEverywhere:
		return "sign out"
	case WithdrawToken:
		return "withdraw token"
	case CloseWorkflow:
		return "close workflow"
	case UsedOutside:
		return "used outside"
	case Spend:
		return "spend"
	}
	return ""
}

func commandOf(name string, text []byte) (Command, error) {
	switch name {
	case "return":
		return read[Return](text)
	case "revoke":
		return read[Revoke](text)
	case "shorten":
		return read[Shorten](text)
	case "cut":
		return read[CutSession](text)
	case "disable":
		return read[Disable](text)
	case "sign out":
		return read[SignOutEverywhere](text)
	case "withdraw token":
		return read[WithdrawToken](text)
	case "close workflow":
		return read[CloseWorkflow](text)
	case "used outside":
		return read[UsedOutside](text)
	case "spend":
		return read[Spend](text)
	}
	return nil, curfew.Errorf(curfew.Corrupt, "the reserve holds %q, which this version does not know", name).WithFix("run the version that wrote it, or a newer one")
}

func read[C Command](text []byte) (Command, error) {
	var c C
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, curfew.Wrap(curfew.Corrupt, err, "read the reserve")
	}
	return c, nil
}
