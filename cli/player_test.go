package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/curfewhq/curfew/client"
)

// script plays a tape with items at the seconds given; keys are pressed at times
// since the beginning, and what was seen comes back with its time.
func script(t *testing.T, speed float64, idle time.Duration, pressed map[time.Duration]key, seconds ...int) (string, error) {
	t.Helper()
	var out strings.Builder
	var err error
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		keys := make(chan key)
		p := player{speed: speed, idle: idle, keys: keys}
		for _, s := range seconds {
			p.items, p.at = append(p.items, client.Item{}), append(p.at, time.Duration(s)*time.Second)
		}
		p.show = func(i int) { fmt.Fprintf(&out, "%s:%d ", time.Since(began).Round(time.Millisecond), i) }
		p.tell = func(text string) { fmt.Fprintf(&out, "%s ", strings.TrimSpace(text)) }
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		for d, k := range pressed {
			go func() {
				time.Sleep(d)
				select {
				case keys <- k:
				case <-ctx.Done():
				}
			}()
		}
		err = p.play(ctx)
	})
	return strings.TrimSpace(out.String()), err
}

func TestARecordingPlaysWithItsOwnTiming(t *testing.T) {
	type keys = map[time.Duration]key
	for name, c := range map[string]struct {
		speed   float64
		idle    time.Duration
		keys    keys
		seconds []int
		want    string
	}{
		"as it was":                              {1, 0, nil, []int{0, 1, 3}, "0s:0 1s:1 3s:2"},
		"four times as fast":                     {4, 0, nil, []int{0, 4, 8}, "0s:0 1s:1 2s:2"},
		"at once":                                {math.Inf(1), 0, nil, []int{0, 400, 8000}, "0s:0 0s:1 0s:2"},
		"a gap is shortened, and it is said":     {1, 2 * time.Second, nil, []int{0, 60, 61}, "0s:0 (idle for 1 min, shortened to 2s) 2s:1 3s:2"},
		"a pause stops the tape where it is":     {1, 0, keys{time.Second: keyPause, 5 * time.Second: keyPause}, []int{0, 2}, "0s:0 (paused at +0:01; space goes on) 6s:1"},
		"faster counts from now on":              {1, 0, keys{time.Second: keyFaster}, []int{0, 5}, "0s:0 (2 times as fast) 3s:1"},
		"slower":                                 {1, 0, keys{time.Second: keySlower}, []int{0, 2}, "0s:0 (0.5 times as fast) 3s:1"},
		"back shows things again":                {1, 0, keys{12 * time.Second: keyBack}, []int{0, 5, 11, 13}, "0s:0 5s:1 11s:2 (back to +0:02) 15s:1 21s:2 23s:3"},
		"back goes no further than its first":    {1, 0, keys{2 * time.Second: keyBack}, []int{0, 3}, "0s:0 (back to +0:00) 2s:0 5s:1"},
		"on passes things over":                  {1, 0, keys{time.Second: keyOn}, []int{0, 5, 12}, "0s:0 (on to +0:11, 1 items passed over) 2s:2"},
		"on ends a gap":                          {1, 0, keys{time.Second: keyOn}, []int{0, 500}, "0s:0 1s:1"},
		"on beyond the end ends":                 {1, 0, keys{time.Second: keyOn}, []int{0, 5, 6}, "0s:0 (2 items passed over)"},
		"a pause while a gap is shortened":       {1, 2 * time.Second, keys{time.Second: keyPause, 9 * time.Second: keyPause}, []int{0, 60}, "0s:0 (idle for 1 min, shortened to 2s) (paused at +0:59; space goes on) 10s:1"},
		"nobody can make it slower than a bound": {0.1, 0, keys{time.Second: keySlower}, []int{0, 1}, "0s:0 (0.1 times as fast) 10s:1"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := script(t, c.speed, c.idle, c.keys, c.seconds...); got != c.want || err != nil {
				t.Errorf("got  %s\nwant %s (%v)", got, c.want, err)
			}
		})
	}
	if _, err := script(t, 1, 0, keys{time.Second: keyQuit}, 0, 9); !errors.Is(err, errQuit) {
		t.Error(err)
	}
	if _, err := script(t, 1, 0, keys{time.Second: keyInterrupt}, 0, 9); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestKeysAreRead(t *testing.T) {
	var got []key
	readKeys(bytes.NewReader([]byte(" \x1b[C\x1bOD+-=x[C\x03q")), func(k key) bool { got = append(got, k); return true })
	if want := []key{keyPause, keyOn, keyBack, keyFaster, keySlower, keyFaster, keyInterrupt, keyQuit}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestSpeedsAndPlaces(t *testing.T) {
	for text, want := range map[string]float64{"1": 1, "0.1": 0.1, "100": 100, "4x": 4, "MAX": math.Inf(1), "0": 0, "-1": 0, "101": 0, "nan": 0, "inf": 0, "": 0, "fast": 0} {
		if got, err := parseSpeed(text); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %v %v", text, got, err)
		}
	}
	began := time.Date(2026, 6, 1, 23, 50, 0, 500, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "90s": 90 * time.Second, "+1:30": 90 * time.Second, "+1:00:05": time.Hour + 5*time.Second, "1h": time.Hour,
		"23:55": 5*time.Minute - 500, "00:10:05": 20*time.Minute + 5*time.Second - 500, "23:50": 0, "2026-06-02T00:00:00Z": 10*time.Minute - 500, "2020-01-01T00:00:00Z": 0,
	} {
		s, err := parseStart(text, noon())
		if got := s.offset(began, time.UTC); err != nil || got != want {
			t.Errorf("%q: %s, want %s (%v)", text, got, want, err)
		}
	}
	for _, text := range []string{"-5s", "+1:99", "25:00", "12:61", "soon", "+", "\x1b[2J"} {
		if s, err := parseStart(text, noon()); err == nil {
			t.Errorf("%q is taken for %+v", text, s)
		}
	}
}

// What a session said does not act while it is played either.
func TestPlayingTextThatActs(t *testing.T) {
	for _, text := range corpus() {
		var out bytes.Buffer
		a := newApp(Parts{Stdout: &out, Stderr: &out, Now: noon})
		item := client.Item{At: noon(), Kind: text, Text: text, Error: text, Tag: text, Code: text, Values: []client.Value{{Text: text}}}
		tp := tape{items: []client.Item{item, item, item}, at: []time.Duration{0, 1, 2}}
		tp.items[1].Kind, tp.items[2].Kind = "statement", "outcome"
		p := player{tape: tp, speed: math.Inf(1), show: func(i int) { _ = a.said(stamp(tp.at[i]), tp.items[i]) }, tell: func(s string) { a.outf("%s\n", s) }}
		if err := p.play(t.Context()); err != nil {
			t.Fatal(err)
		}
		still(t, "replay", out.String())
	}
}

func TestAReplaySaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--speed", "0"}, "is no speed: 0.1 to 100"},
		{[]string{"--from", "soon"}, "is no place in a recording"},
		{[]string{"--from", "1h"}, "it runs from 2026-06-02 14:03:00 to 2026-06-02 14:03:09, +0:09 long"},
		{[]string{"--from", "13:00"}, "13:00 is not in the recording"},
		{[]string{"--from", "1s", "--seek", "2s"}, "give one"},
		{[]string{"--idle", "-1s"}, "cannot be"},
	} {
		code, out, errs := newShell(t, newFake(t)).run("", append([]string{"replay", "s_1"}, c.args...)...)
		if code != exitUsage || !strings.Contains(errs, c.want) || out != "" {
			t.Errorf("%v: %d %s%s", c.args, code, out, errs)
		}
	}
}
