package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/curfewhq/curfew/client"
)

// mostOnTimeline bounds the statements that are held; what comes after is counted.
const mostOnTimeline = 100_000

// bars is how many cells wide the session is drawn.
const bars = 24

// stretch is one statement on the timeline.
type stretch struct {
	Ref     uint64  `json:"ref"`
	AtMS    float64 `json:"at_ms"`             // since the session's beginning
	TookMS  float64 `json:"took_ms,omitempty"` // until its last outcome, or as long as is known
	Text    string  `json:"text,omitempty"`    // its beginning
	Tag     string  `json:"tag,omitempty"`
	Rows    int64   `json:"rows"`
	Bytes   int64   `json:"bytes"`
	Error   string  `json:"error,omitempty"`
	Code    string  `json:"code,omitempty"`
	Refused bool    `json:"refused,omitempty"` // never sent
	Open    bool    `json:"open,omitempty"`    // no answer is recorded
}

// timeline puts the items of a recording into spans.
type timeline struct {
	offsets offsets
	spans   []stretch
	open    map[uint64]int // places of those without an answer
	left    int            // beyond the bound
	over    bool           // the session has ended
}

func (l *timeline) add(it client.Item) {
	at := l.offsets.next(it)
	switch it.Kind {
	case "statement", "refused":
		if len(l.spans) >= mostOnTimeline {
			l.left++
			return
		}
		text, _, _ := strings.Cut(strings.TrimSpace(it.Text), "\n")
		l.spans = append(l.spans, stretch{Ref: it.Ref, AtMS: msOf(at), Text: cell(text, 200), Error: it.Error, Code: it.Code, Refused: it.Kind == "refused", Open: it.Kind == "statement"})
		if it.Kind == "statement" {
			l.open[it.Ref] = len(l.spans) - 1
		}
	case "outcome":
		i, ok := l.open[it.Ref]
		if !ok {
			return
		}
		s := &l.spans[i]
		s.Open, s.TookMS, s.Tag, s.Error, s.Code = false, max(it.TookMS, msOf(at)-s.AtMS), it.Tag, it.Error, it.Code
		s.Rows += it.Rows
		s.Bytes += it.Bytes
	case "closed", "broken":
		l.over = true
	}
}

// end gives what had no answer the time until the session's end.
func (l *timeline) end() {
	for i := range l.spans {
		if s := &l.spans[i]; s.Open {
			s.TookMS = max(0, msOf(l.offsets.last)-s.AtMS)
		}
	}
}

func msOf(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (a *app) timelineCommand() *cobra.Command {
	var slowest int
	cmd := &cobra.Command{
		Use: "timeline SESSION", Short: "When each statement of a session ran, and for how long; that you looked is recorded", Args: between(1, 1),
		Example: "  curfew timeline s_9F2\n  curfew timeline s_9F2 --slowest 10",
		RunE: func(cmd *cobra.Command, args []string) error {
			if slowest < 0 {
				return usage(fmt.Sprintf("the %d slowest cannot be: give a number from 1", slowest), cmd.CommandPath()+" "+clean(args[0])+" --slowest 10")
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			l := timeline{open: map[uint64]int{}}
			if err := c.Transcript(cmd.Context(), args[0], func(it client.Item) error {
				if it.Kind == "fault" {
					a.note("The recording cannot be read further: %s", prose(it.Error))
				}
				l.add(it)
				return nil
			}); err != nil {
				return err
			}
			l.end()
			shown := l.spans
			if slowest > 0 {
				shown = slices.Clone(shown)
				slices.SortStableFunc(shown, func(x, y stretch) int {
					switch {
					case x.TookMS > y.TookMS:
						return -1
					case x.TookMS < y.TookMS:
						return 1
					}
					return 0
				})
				shown = shown[:min(slowest, len(shown))]
			}
			return emitAll(a, "span", shown, func(spans []stretch) { a.timeline(&l, spans) })
		},
	}
	cmd.Flags().IntVar(&slowest, "slowest", 0, "only so many, the slowest first")
	return cmd
}

func (a *app) timeline(l *timeline, spans []stretch) {
	if len(spans) == 0 {
		a.note("Nothing was said in this session.")
		return
	}
	whole := l.offsets.last
	state := "live, so far"
	if l.over {
		state = "over"
	}
	a.outf("%s\n", a.dim(fmt.Sprintf("began %s · %s · %s · %s", a.instant(l.offsets.began), strings.TrimSpace(stamp(whole)), plural(len(l.spans)+l.left, "statement"), state)))
	rows := [][]string{{"at", "", "took", "rows", "what became of it", "statement"}}
	for _, s := range spans {
		text := s.Text
		if text == "" {
			text = "(hidden: none of your roles covers this session)"
		}
		rows = append(rows, []string{
			strings.TrimSpace(stamp(time.Duration(s.AtMS * float64(time.Millisecond)))), bar(s, msOf(whole)), took(s.TookMS), fmt.Sprint(s.Rows), became(s, l.over), text,
		})
	}
	a.table("  ", rows)
	if l.left > 0 {
		a.note("%d more statements are not shown; curfew replay has them all.", l.left)
	}
}

// bar draws a statement where it lay in the session.
func bar(s stretch, whole float64) string {
	if whole <= 0 {
		whole = 1
	}
	from := min(int(s.AtMS/whole*bars), bars-1)
	to := min(max(int((s.AtMS+s.TookMS)/whole*bars), from+1), bars)
	fill := "█"
	switch {
	case s.Refused:
		fill = "×"
	case s.Open:
		fill = "▒"
	}
	return strings.Repeat("·", from) + strings.Repeat(fill, to-from) + strings.Repeat("·", bars-to)
}

func took(ms float64) string {
	return time.Duration(ms * float64(time.Millisecond)).Round(100 * time.Microsecond).String()
}

func became(s stretch, over bool) string {
	switch {
	case s.Refused:
		return strings.TrimSpace("refused " + clean(s.Code))
	case s.Error != "" || s.Code != "":
		return strings.TrimSpace("error " + clean(s.Code))
	case s.Open && over:
		return "no answer: cut off"
	case s.Open:
		return "running"
	}
	return clean(s.Tag)
}
