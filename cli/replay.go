package cli

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/say"
)

// heldBound is about how many bytes of a recording are held to be played; what
// comes after is played from there on.
const heldBound = 128 << 20

// tape is a recording, or as much of it as is held, with each item's time since
// its beginning.
type tape struct {
	items  []client.Item
	at     []time.Duration
	before int       // items before the first one held
	began  time.Time // of the recording
	held   int
	more   bool          // the recording goes on after what is held
	next   time.Duration // then: where
}

// offsets turn the times of items into times since the first, which never go back.
type offsets struct {
	began time.Time
	last  time.Duration
	n     int
}

func (o *offsets) next(it client.Item) time.Duration {
	o.n++
	if it.At.IsZero() {
		return o.last
	}
	if o.began.IsZero() {
		o.began = it.At
	}
	o.last = max(o.last, it.At.Sub(o.began))
	return o.last
}

func (a *app) replayCommand() *cobra.Command {
	var speed, from string
	idle := 2 * time.Second
	cmd := &cobra.Command{
		Use: "replay SESSION", Short: "Play a recording with its own timing; that you did is recorded", Args: between(1, 1),
		Long: "Plays what a session said with its own timing. On a terminal: space pauses, the arrows go 10 s back and on, + and - change the speed, q ends.\n" +
			"Where standard output is no terminal, and with --json, everything comes at once, each item with its time since the beginning.",
		Example: "  curfew replay s_9F2 --speed 4\n  curfew replay s_9F2 --from 14:05\n  curfew replay s_9F2 --from 1m30s --idle 500ms\n  curfew replay s_9F2 --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("from") && cmd.Flags().Changed("seek") {
				return usage("--from and --seek are the same: give one", cmd.CommandPath()+" --help")
			}
			factor, err := parseSpeed(speed)
			if err != nil {
				return err
			}
			if idle < 0 {
				return usage(fmt.Sprintf("an idle gap of %s cannot be: --idle is how long a gap may last, 0 leaves every gap as it is", idle))
			}
			start, err := parseStart(from, a.now())
			if err != nil {
				return err
			}
			return a.replay(cmd.Context(), args[0], start, idle, factor)
		},
	}
	f := cmd.Flags()
	f.StringVar(&speed, "speed", "1", "how fast: 0.1 to 100, or max")
	f.StringVar(&from, "from", "", "where to begin: a time since the beginning (90s, +1:30) or a clock time (14:05)")
	f.StringVar(&from, "seek", "", "the same as --from")
	f.DurationVar(&idle, "idle", idle, "shorten gaps to this; 0: leave them as they are")
	return cmd
}

// Bounds of a speed; above them everything comes at once.
const (
	leastSpeed = 0.1
	mostSpeed  = 100
)

// parseSpeed reads a speed; max is +Inf.
func parseSpeed(text string) (float64, error) {
	if strings.EqualFold(strings.TrimSpace(text), "max") {
		return math.Inf(1), nil
	}
	v, err := strconv.ParseFloat(strings.TrimRight(strings.TrimSpace(text), "x×"), 64)
	if err != nil || !(v >= leastSpeed && v <= mostSpeed) {
		return 0, usage(fmt.Sprintf("%q is no speed: 0.1 to 100 times, or max", clean(text)), "curfew replay SESSION --speed 4")
	}
	return v, nil
}

// start is where to begin: since the beginning, or at an instant of which only
// the time of day may be known.
type start struct {
	text  string
	since time.Duration
	at    time.Time
	clock time.Duration // since midnight
	kind  startKind
}

type startKind int

const (
	fromBeginning startKind = iota
	fromOffset
	fromClock
	fromInstant
)

var (
	offsetForm = regexp.MustCompile(`^\+(?:(\d{1,4}):)?(\d{1,4}):(\d{2})$`)
	clockForm  = regexp.MustCompile(`^(\d{1,2}):(\d{2})(?::(\d{2}))?$`)
)

// parseStart reads where to begin: 90s, 1h30m, +1:30, 14:05, 14:05:10, or a date and a time.
func parseStart(text string, now time.Time) (start, error) {
	text = strings.TrimSpace(text)
	s := start{text: text}
	if text == "" {
		return s, nil
	}
	number := func(t string) time.Duration {
		n, _ := strconv.Atoi(t) // the forms let nothing but digits through
		return time.Duration(n)
	}
	if m := offsetForm.FindStringSubmatch(text); m != nil && number(m[3]) < 60 && (m[1] == "" || number(m[2]) < 60) {
		s.kind, s.since = fromOffset, number(m[1])*time.Hour+number(m[2])*time.Minute+number(m[3])*time.Second
		return s, nil
	}
	if m := clockForm.FindStringSubmatch(text); m != nil && number(m[1]) < 24 && number(m[2]) < 60 && number(m[3]) < 60 {
		s.kind, s.clock = fromClock, number(m[1])*time.Hour+number(m[2])*time.Minute+number(m[3])*time.Second
		return s, nil
	}
	if d, err := time.ParseDuration(strings.TrimPrefix(text, "+")); err == nil && d >= 0 {
		s.kind, s.since = fromOffset, d
		return s, nil
	}
	at, err := parseWhen(text, now, true)
	if err != nil {
		return s, usage(fmt.Sprintf("%q is no place in a recording: give a time since its beginning (90s, 1h5m, +1:30) or a clock time (14:05, 14:05:10)", clean(text)))
	}
	s.kind, s.at = fromInstant, at
	return s, nil
}

// offset is where that is in a recording that began then, as people here read clocks.
func (s start) offset(began time.Time, here *time.Location) time.Duration {
	switch s.kind {
	case fromOffset:
		return s.since
	case fromInstant:
		return max(0, s.at.Sub(began))
	case fromClock:
		b := began.In(here)
		h, m, sec := int(s.clock/time.Hour), int(s.clock/time.Minute)%60, int(s.clock/time.Second)%60
		t := time.Date(b.Year(), b.Month(), b.Day(), h, m, sec, 0, here)
		if t.Before(b.Truncate(time.Second)) { // a session may go over midnight
			t = time.Date(b.Year(), b.Month(), b.Day()+1, h, m, sec, 0, here)
		}
		return max(0, t.Sub(b))
	}
	return 0
}

func (a *app) replay(ctx context.Context, session string, from start, idle time.Duration, speed float64) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	if !a.opt.json && isTerminal(a.parts.Stdout) {
		return a.play(ctx, c, session, from, idle, speed)
	}
	o, shown, prev := offsets{}, 0, time.Duration(-1)
	err = c.Transcript(ctx, session, func(it client.Item) error {
		at := o.next(it)
		if at < from.offset(o.began, a.now().Location()) {
			return nil
		}
		if shown++; a.opt.json {
			a.encode(a.parts.Stdout, "item", timed{it, o.n, float64(at.Microseconds()) / 1000})
			return nil
		}
		if gap := at - prev; prev >= 0 && idle > 0 && gap > idle {
			a.outf("%s\n", idleLine(gap, 0))
		}
		prev = at
		return a.said(stamp(at), it)
	})
	if err == nil && shown == 0 {
		err = a.beyond(session, from, o)
	}
	return err
}

// timed is an item of a replay as JSON.
type timed struct {
	client.Item
	Number   int     `json:"number"`    // in the recording, from 1
	OffsetMS float64 `json:"offset_ms"` // since its beginning
}

// beyond says that a recording has nothing from there on.
func (a *app) beyond(session string, from start, o offsets) error {
	switch {
	case o.n == 0:
		a.note("The recording of %s is empty.", clean(session))
		return nil
	case from.kind == fromBeginning:
		return nil
	}
	end := o.began.Add(o.last)
	return usage(fmt.Sprintf("%s is not in the recording of %s: it runs from %s to %s, %s long", clean(from.text), clean(session),
		a.instant(o.began), a.instant(end), strings.TrimSpace(stamp(o.last))), "curfew replay "+clean(session))
}

func (a *app) instant(t time.Time) string {
	return t.In(a.now().Location()).Format("2006-01-02 15:04:05")
}

// stamp is a time since the beginning, nine places wide: "   +1:30 ".
func stamp(d time.Duration) string {
	s := int64(d / time.Second)
	text := fmt.Sprintf("+%d:%02d", s/60, s%60)
	if s >= 3600 {
		text = fmt.Sprintf("+%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%8s ", text)
}

// idleLine says that nothing happened, and how long one waits for it.
func idleLine(gap, played time.Duration) string {
	text := "         (idle for " + say.Duration(gap.Round(time.Second))
	if played > 0 {
		text += ", shortened to " + played.String()
	}
	return text + ")"
}

var errHeld = errors.New("as much is held as is held at a time")

// load reads a recording from a place on, as much as is held.
func (a *app) load(ctx context.Context, c *client.Client, session string, from start) (tape, offsets, error) {
	var t tape
	var o offsets
	a.screens = screens{}
	err := c.Transcript(ctx, session, func(it client.Item) error {
		at := o.next(it)
		t.began = o.began
		if at < from.offset(o.began, a.now().Location()) {
			t.before++
			a.screens.feed(it)
			return nil
		}
		if t.held > heldBound {
			t.more, t.next = true, at
			return errHeld
		}
		t.held += 200 + len(it.Text) + len(it.Error)
		for _, v := range it.Values {
			t.held += 40 + len(v.Text)
		}
		for _, row := range it.Table {
			for _, v := range row {
				t.held += 40 + len(v.Text)
			}
		}
		t.items, t.at = append(t.items, it), append(t.at, at)
		return nil
	})
	if errors.Is(err, errHeld) {
		err = nil
	}
	return t, o, err
}

// play plays on a terminal.
func (a *app) play(ctx context.Context, c *client.Client, session string, from start, idle time.Duration, speed float64) error {
	t, o, err := a.load(ctx, c, session, from)
	if err != nil {
		return err
	}
	if len(t.items) == 0 {
		return a.beyond(session, from, o)
	}
	a.draw = true
	shown := -1
	keys, back, err := a.keys()
	if err != nil {
		return err
	}
	defer back()
	if keys != nil {
		a.note("%s", a.dim("space pauses · ← → 10 s · + - speed · q ends"))
	}
	p := player{
		tape: t, idle: idle, speed: speed, keys: keys,
		show: func(i int) {
			if i != shown+1 {
				a.rewind(t.items[:i])
			}
			shown = i
			_ = a.said(stamp(t.at[i]), t.items[i])
		},
		tell: func(text string) { a.outf("%s\n", a.dim(text)) },
	}
	if from.kind != fromBeginning {
		p.tell(fmt.Sprintf("         (%d items before %s)", t.before, strings.TrimSpace(stamp(t.at[0]))))
	}
	switch err := p.play(ctx); {
	case errors.Is(err, errQuit):
		return nil
	case err != nil:
		return err
	case t.more:
		p.tell("         (it goes on: curfew replay " + clean(session) + " --from " + t.next.String() + ")")
	default:
		p.tell("         (the end)")
	}
	return nil
}
