package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/curfewhq/curfew/say"
	"github.com/curfewhq/curfew/schedule"
)

// apiVersion is the version of the JSON contract: fields are added, never changed.
const apiVersion = "curfew/v1"

func (a *app) outf(format string, args ...any) { _, _ = fmt.Fprintf(a.parts.Stdout, format, args...) }

func (a *app) errf(format string, args ...any) { _, _ = fmt.Fprintf(a.parts.Stderr, format, args...) }

// note says something beside the answer: on standard error, unless told to be quiet.
func (a *app) note(format string, args ...any) {
	if !a.opt.quiet {
		a.errf(format+"\n", args...)
	}
}

// done says what was done: on standard output as prose, not beside JSON.
func (a *app) done(format string, args ...any) {
	if a.opt.json || a.opt.quiet {
		return
	}
	a.outf(a.green("✓")+" "+format+"\n", args...)
}

func (a *app) green(s string) string { return a.paint("32", s) }
func (a *app) bold(s string) string  { return a.paint("1", s) }
func (a *app) dim(s string) string   { return a.paint("2", s) }

func (a *app) paint(code, s string) string {
	if !a.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// emit writes one object: as JSON if that was asked for, else by text.
func emit[T any](a *app, kind string, v T, text func(T)) error {
	if a.opt.json {
		a.encode(a.parts.Stdout, kind, v)
		return nil
	}
	text(v)
	return nil
}

// emitAll writes a list: an object a line as JSON, else by text.
func emitAll[T any](a *app, kind string, items []T, text func([]T)) error {
	if a.opt.json {
		for _, v := range items {
			a.encode(a.parts.Stdout, kind, v)
		}
		return nil
	}
	text(items)
	return nil
}

// encode writes v on one line, with the version and the kind. A field of v that
// is called kind becomes event_kind, workflow_kind, ….
func (a *app) encode(w io.Writer, kind string, v any) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		a.errf("encode %s: %v\n", kind, err)
		return
	}
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(text.Bytes(), &fields); err != nil {
		fields = map[string]json.RawMessage{"value": text.Bytes()}
	}
	if own, ok := fields["kind"]; ok {
		delete(fields, "kind")
		fields[kind+"_kind"] = own
	}
	var b strings.Builder
	fmt.Fprintf(&b, `{"api":%q,"kind":%q`, apiVersion, kind)
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&b, ",%q:%s", key, bytes.TrimSpace(fields[key]))
	}
	b.WriteString("}\n")
	_, _ = io.WriteString(w, harmless(b.String()))
}

// harmless escapes, inside JSON, what would act in a terminal; it means the same.
func harmless(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || (r < utf8.RuneSelf && r >= ' ' && r != 0x7f) || (unicode.IsGraphic(r) && !unicode.In(r, unicode.Zs, unicode.Cf, unicode.Co, unicode.Mn)) || r == ' ' {
			b.WriteRune(r)
			continue
		}
		if r > 0xffff {
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
			continue
		}
		fmt.Fprintf(&b, `\u%04x`, r)
	}
	return b.String()
}

// clean is a stranger's short text.
func clean(s string) string { return say.Clean(s, 128) }

// prose is a stranger's sentence.
func prose(s string) string { return say.Clean(s, 4000) }

// cell is a stranger's text in a column.
func cell(s string, most int) string {
	runes := []rune(say.Clean(s, 4*most))
	if len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return string(runes)
}

// sentence begins with a capital, unless it begins with a name, and ends with a
// full stop.
func sentence(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	first, _, _ := strings.Cut(s, " ")
	if !strings.ContainsAny(strings.TrimRight(first, ".,:;"), "/.-_:0123456789") {
		s = string(unicode.ToUpper(r)) + s[size:]
	}
	if strings.ContainsAny(s[len(s)-1:], ".:!?") || strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}

// table writes rows in columns; what it gets is clean. On a terminal no line is
// longer than the terminal is wide: the widest columns are cut, the last one,
// which often is an identifier to copy, only where nothing else is left to cut.
func (a *app) table(indent string, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], runes(c))
		}
	}
	if a.width > 0 {
		fit(widths, a.width-len(indent))
	}
	for _, row := range rows {
		var b strings.Builder
		b.WriteString(indent)
		for i, c := range row {
			c = cutTo(c, widths[i])
			b.WriteString(c)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-runes(c)+2))
			}
		}
		a.outf("%s\n", strings.TrimRight(b.String(), " "))
	}
}

// leastColumn is how narrow a column may become.
const leastColumn = 6

// fit makes the columns, two spaces apart, as narrow as room says, if that can be.
func fit(widths []int, room int) {
	total := 2 * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for ; total > room; total-- {
		widest := 0
		for i, w := range widths[:max(len(widths)-1, 0)] {
			if w > widths[widest] {
				widest = i
			}
		}
		if last := len(widths) - 1; widths[widest] <= leastColumn || last == 0 {
			widest = last
		}
		if widths[widest] <= leastColumn {
			return
		}
		widths[widest]--
	}
}

// runes is how wide a text is; paint takes no room.
func runes(s string) int {
	n := 0
	for s != "" {
		if rest, ok := strings.CutPrefix(s, "\x1b["); ok {
			_, s, _ = strings.Cut(rest, "m")
			continue
		}
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		n++
	}
	return n
}

// cutTo shortens a text to so many places; paint ends with what is cut.
func cutTo(s string, most int) string {
	if runes(s) <= most {
		return s
	}
	var b strings.Builder
	painted := false
	for n := 0; n < most-1; {
		if rest, ok := strings.CutPrefix(s, "\x1b["); ok {
			code, after, _ := strings.Cut(rest, "m")
			b.WriteString("\x1b[" + code + "m")
			s, painted = after, true
			continue
		}
		_, size := utf8.DecodeRuneInString(s)
		b.WriteString(s[:size])
		s = s[size:]
		n++
	}
	b.WriteString("…")
	if painted {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}

// span says a duration that the server wrote.
func span(text string) string {
	if d, err := time.ParseDuration(text); err == nil {
		return say.Duration(d)
	}
	return clean(text)
}

func (a *app) now() time.Time { return a.parts.Now() }

// clock says an instant as people here read it.
func (a *app) clock(t time.Time) string {
	now := a.now()
	return schedule.Clock(t, now, now.Location())
}

// both says an instant by both clocks: "14:47 (45 min)".
func (a *app) both(t time.Time) string {
	d := t.Sub(a.now())
	if d < 0 {
		return a.clock(t) + " (" + say.Duration(rounded(-d)) + " ago)"
	}
	return a.clock(t) + " (" + say.Duration(rounded(d)) + ")"
}

// rounded leaves the seconds out where there are minutes.
func rounded(d time.Duration) time.Duration {
	if d < 2*time.Minute {
		return d
	}
	return d.Round(time.Minute)
}

// ago says how long since t: "0:41", "9:02", "2 h".
func (a *app) ago(t time.Time) string { return minutes(a.now().Sub(t)) }

func minutes(d time.Duration) string {
	d = max(d, 0)
	if d >= time.Hour {
		return say.Duration(d.Truncate(time.Minute))
	}
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// names lists names: "Dana, Ben or Tom".
func names(list []string, last string) string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = cell(n, 40)
	}
	if len(out) > 5 {
		out = append(out[:4], fmt.Sprintf("%d others", len(list)-4))
	}
	if len(out) < 2 {
		return strings.Join(out, "")
	}
	return strings.Join(out[:len(out)-1], ", ") + " " + last + " " + out[len(out)-1]
}
