package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
	"strings"
	"time"

	"golang.org/x/term"
)

// key is what somebody pressed while a recording plays.
type key int

const (
	keyPause key = iota + 1
	keyBack
	keyOn
	keyFaster
	keySlower
	keyQuit
	keyInterrupt
)

const seekStep = 10 * time.Second

var errQuit = errors.New("it was ended from the keyboard")

// player shows the items of a tape when their time has come.
type player struct {
	tape
	idle  time.Duration // a gap is shortened to this; 0: none is
	speed float64       // +Inf: at once
	keys  <-chan key    // nil: there is no keyboard
	show  func(i int)
	tell  func(string)

	next   int           // the next item to show
	left   time.Duration // of the recording's time, until it
	paused bool
}

// play shows everything that is left; errQuit if somebody ends it.
func (p *player) play(ctx context.Context) error {
	for p.next < len(p.items) {
		due, err := p.wait(ctx)
		if err != nil {
			return err
		}
		if due {
			p.show(p.next)
			p.next++
			p.gap()
		}
	}
	return nil
}

// gap sets how long to wait for the next item after the one before it.
func (p *player) gap() {
	p.left = 0
	if p.next == len(p.items) {
		return
	}
	p.shorten(p.at[p.next] - p.at[p.next-1])
}

func (p *player) shorten(gap time.Duration) {
	p.left = gap
	if p.idle > 0 && gap > p.idle {
		p.left = p.idle
		p.tell(idleLine(gap, p.idle))
	}
}

// wait waits until the next item is due, or a key was pressed.
func (p *player) wait(ctx context.Context) (due bool, err error) {
	var fire <-chan time.Time
	if !p.paused {
		d := time.Duration(0)
		if !math.IsInf(p.speed, 1) {
			d = time.Duration(float64(p.left) / p.speed)
		}
		timer := time.NewTimer(d)
		defer timer.Stop()
		fire = timer.C
	}
	began := time.Now()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case <-fire:
		return true, nil
	case k, ok := <-p.keys:
		if !p.paused && !math.IsInf(p.speed, 1) {
			p.left = max(0, p.left-time.Duration(float64(time.Since(began))*p.speed))
		}
		if !ok { // the keyboard is gone: nobody could end a pause
			p.keys, p.paused = nil, false
		}
		return false, p.press(k)
	}
}

func (p *player) press(k key) error {
	switch k {
	case keyQuit:
		return errQuit
	case keyInterrupt:
		return context.Canceled
	case keyPause:
		if p.paused = !p.paused; p.paused {
			p.tell("         (paused at " + strings.TrimSpace(stamp(p.now())) + "; space goes on)")
		}
	case keyFaster:
		p.faster(2)
	case keySlower:
		p.faster(0.5)
	case keyBack:
		p.seek(max(p.now()-seekStep, p.at[0]))
	case keyOn:
		p.seek(max(p.now()+seekStep, p.at[p.next])) // never within a gap: there is nothing
	}
	return nil
}

func (p *player) faster(by float64) {
	if math.IsInf(p.speed, 1) {
		p.speed = mostSpeed
	} else {
		p.speed = min(max(p.speed*by, leastSpeed), mostSpeed)
	}
	p.tell(fmt.Sprintf("         (%.3g times as fast)", p.speed))
}

// now is where the tape is.
func (p *player) now() time.Duration {
	if p.next == len(p.items) {
		return p.at[p.next-1]
	}
	least := p.at[0]
	if p.next > 0 {
		least = p.at[p.next-1]
	}
	return max(least, p.at[p.next]-p.left)
}

// seek goes to a time of the recording.
func (p *player) seek(to time.Duration) {
	was := p.next
	p.next = sort.Search(len(p.at), func(i int) bool { return p.at[i] >= to })
	switch passed := p.next - was; {
	case p.next == len(p.items):
		p.tell(fmt.Sprintf("         (%d items passed over)", passed))
		p.left = 0
		return
	case passed > 0:
		p.tell(fmt.Sprintf("         (on to %s, %d items passed over)", strings.TrimSpace(stamp(to)), passed))
	case passed < 0:
		p.tell("         (back to " + strings.TrimSpace(stamp(to)) + ")")
	}
	p.shorten(p.at[p.next] - to)
}

// keys gives what is pressed, until back is called; nil: there is no keyboard.
// The read goes on until the process ends, which is soon after.
func (a *app) keys() (<-chan key, func(), error) {
	in, ok := a.parts.Stdin.(*os.File)
	if !ok || !a.asks() {
		return nil, func() {}, nil
	}
	fd := int(in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, nil, fmt.Errorf("look at the terminal: %w", err)
	}
	out, errs := a.parts.Stdout, a.parts.Stderr
	a.parts.Stdout, a.parts.Stderr = rawLines{out}, rawLines{errs}
	keys := make(chan key)
	gone := make(chan struct{})
	go func() {
		defer close(keys)
		readKeys(a.in, func(k key) bool {
			select {
			case keys <- k:
				return true
			case <-gone:
				return false
			}
		})
	}()
	return keys, func() {
		close(gone)
		a.parts.Stdout, a.parts.Stderr = out, errs
		_ = term.Restore(fd, before)
	}, nil
}

// readKeys reads keys until there are none, or f wants no more. Arrows come as
// ESC [ C, or ESC O C (ECMA-48 8.3.20, DEC application mode).
func readKeys(r io.ByteReader, f func(key) bool) {
	var seen [2]byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			return
		}
		k := map[byte]key{' ': keyPause, '+': keyFaster, '=': keyFaster, '-': keySlower, 'q': keyQuit, 'Q': keyQuit, 3: keyInterrupt}[b]
		if seen[0] == 0x1b && (seen[1] == '[' || seen[1] == 'O') {
			k = map[byte]key{'C': keyOn, 'D': keyBack}[b]
		}
		seen = [2]byte{seen[1], b}
		if k != 0 && !f(k) {
			return
		}
	}
}

// rawLines ends lines as a terminal wants them that adds nothing itself.
type rawLines struct{ w io.Writer }

func (r rawLines) Write(b []byte) (int, error) {
	if _, err := io.WriteString(r.w, strings.ReplaceAll(string(b), "\n", "\r\n")); err != nil {
		return 0, err
	}
	return len(b), nil
}
