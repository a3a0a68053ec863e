package ssh

import (
	"bytes"
	"sync"
	"unicode/utf8"

	"github.com/curfewhq/curfew/record"
)

// terminal is a pty's screen as far as the gateway looks at it: its size, whether a
// program has it for itself, and what was typed and shown.
type terminal struct {
	r   *relay
	ref uint64

	mu      sync.Mutex
	columns uint32 // guarded by mu
	rows    uint32 // guarded by mu
	rest    []byte // guarded by mu; the beginning of a character whose end has not come
	tail    []byte // guarded by mu; the end of what was shown, for sequences in two pieces
	full    bool   // guarded by mu; a program has the whole screen (DECSET 1049, 1047, 47)
	pending []byte // guarded by mu; typed and not yet seen on the screen
	echoed  []byte // guarded by mu; typed and seen, not yet recorded
}

func newTerminal(r *relay, v ptyRequest) *terminal {
	return &terminal{r: r, columns: v.Columns, rows: v.Rows}
}

func (t *terminal) size() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return sizeOf(t.columns, t.rows)
}

func (t *terminal) resized(columns, rows uint32) error {
	t.mu.Lock()
	t.columns, t.rows = columns, rows
	t.mu.Unlock()
	return t.r.s.Observe(record.Item{Kind: record.Resize, Ref: t.ref, Text: sizeOf(columns, rows)})
}

// printed records what is about to be shown.
func (t *terminal) printed(b []byte) error {
	t.mu.Lock()
	t.follow(b)
	typed := t.seen(b)
	text := string(append(t.rest, b...))
	keep := partial(text)
	t.rest = append(t.rest[:0:0], text[len(text)-keep:]...)
	text = text[:len(text)-keep]
	t.mu.Unlock()
	if len(typed) > 0 {
		if err := t.r.s.Observe(record.Item{Kind: record.Input, Ref: t.ref, Text: string(typed)}); err != nil {
			return err
		}
	}
	if text == "" {
		return nil
	}
	return t.r.s.Observe(record.Item{Kind: record.Output, Ref: t.ref, Text: text})
}

// partial is how many bytes at the end of s begin a character that is not whole.
func partial(s string) int {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		c := s[len(s)-n]
		if utf8.RuneStart(c) {
			if c >= utf8.RuneSelf && !utf8.FullRuneInString(s[len(s)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

// tailLength is more than the longest sequence that follow looks for.
const tailLength = 16

// follow looks for programs that take the screen and give it back.
func (t *terminal) follow(b []byte) {
	text := append(t.tail, b...)
	for i := bytes.IndexByte(text, 0x1b); i >= 0 && i < len(text); {
		for _, mode := range []string{"1049", "1047", "47"} {
			if bytes.HasPrefix(text[i:], []byte("\x1b[?"+mode+"h")) {
				t.full = true
			}
			if bytes.HasPrefix(text[i:], []byte("\x1b[?"+mode+"l")) {
				t.full = false
			}
		}
		next := bytes.IndexByte(text[i+1:], 0x1b)
		if next < 0 {
			break
		}
		i += 1 + next
	}
	t.tail = append(t.tail[:0:0], text[max(0, len(text)-tailLength):]...)
}

// taken reports whether a program has the whole screen.
func (t *terminal) taken() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.full
}

// maxPending bounds what is typed ahead of what is shown.
const maxPending = 4 << 10

// typed notes what the client sends. It is recorded once it has been seen on the
// screen and never before: where nothing is shown, a password is typed.
func (t *terminal) typed(b []byte) {
	if !t.r.output {
		return // the policy does not want it: the screen is enough
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending = append(t.pending, b...); len(t.pending) > maxPending {
		t.pending, t.echoed = nil, nil
	}
}

// seen takes from what was typed what the screen shows, and returns whole lines.
func (t *terminal) seen(b []byte) (line []byte) {
	for _, c := range b {
		if len(t.pending) == 0 {
			break
		}
		switch want := t.pending[0]; {
		case c == want || c == '\n' && want == '\r':
			t.pending = t.pending[1:]
			if want != '\r' && want != '\n' {
				t.echoed = append(t.echoed, c)
				continue
			}
			line = append(append(line, t.echoed...), '\n')
			t.echoed = nil
		case want == '\r' || want == '\n' || c == '\r': // the screen goes on before the line's end is shown
		case c == '\n': // a line is over on the screen and what was typed was not shown
			t.drop()
		}
	}
	return line
}

// drop forgets what was typed on a line that was not shown.
func (t *terminal) drop() {
	t.echoed = nil
	if i := bytes.IndexAny(t.pending, "\r\n"); i >= 0 {
		t.pending = t.pending[i+1:]
		return
	}
	t.pending = nil
}
