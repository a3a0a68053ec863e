package ssh

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/say"
)

// Bounds of a conversation with somebody who asks.
const (
	talkBound     = 5 * time.Minute // for one answer
	mostSlips     = 3               // answers that are none, to one question
	maxReason     = 2000
	usualDuration = 30 * time.Minute
)

// converse asks a person which way to take and, where they have to ask for it, for how
// long and why. What they answer is asked as by hand (docs/decisions/0022-ssh-people.md).
func (c *client) converse(m ssh.ConnMetadata, challenge ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
	if c.talked { // one conversation a connection
		return nil, errStranger
	}
	c.talked = true
	t := talk{c: c, challenge: challenge}
	way, err := t.way(c.ways)
	if err != nil {
		return nil, errStranger
	}
	var q engine.Question
	if way.Grant == "" {
		if q, err = t.question(way); err != nil {
			return nil, errStranger
		}
	}
	return nil, c.goBy(m, way, q)
}

// talk is a conversation before anybody is let in.
type talk struct {
	c         *client
	challenge ssh.KeyboardInteractiveChallenge
}

// ask asks one question until read takes the answer.
func (t talk) ask(intro, question string, read func(string) (problem string)) error {
	for range mostSlips {
		if err := t.c.conn.SetDeadline(time.Now().Add(talkBound)); err != nil {
			return err
		}
		answers, err := t.challenge("", intro, []string{question}, []bool{true})
		if err != nil {
			return err
		}
		if len(answers) != 1 {
			return errStranger
		}
		if intro = read(strings.TrimSpace(answers[0])); intro == "" {
			return nil
		}
		intro = "Curfew: " + intro
	}
	return t.c.turnAway(curfew.Errorf(curfew.Invalid, "that was no answer").WithFix("curfew request"))
}

// way asks which of several ways to take.
func (t talk) way(ways []engine.Path) (engine.Path, error) {
	if len(ways) == 1 {
		return ways[0], nil
	}
	var intro strings.Builder
	for i, w := range ways {
		effect, _ := t.c.engine.Effect(w.Permission)
		fmt.Fprintf(&intro, "  %d  %s   %s\n", i+1, say.Clean(string(w.Role), 64), say.Clean(effect, 120))
	}
	var chosen engine.Path
	return chosen, t.ask(strings.TrimRight(intro.String(), "\n"), fmt.Sprintf("Role, 1 to %d: ", len(ways)), func(answer string) string {
		n, err := strconv.Atoi(answer)
		for i, w := range ways {
			if err == nil && n == i+1 || answer == string(w.Role) {
				chosen = w
				return ""
			}
		}
		return fmt.Sprintf("a number from 1 to %d, please", len(ways))
	})
}

// question asks for how long, and why.
func (t talk) question(w engine.Path) (q engine.Question, err error) {
	usual := min(usualDuration, w.Longest)
	role := say.Clean(string(w.Role), 64)
	err = t.ask("", fmt.Sprintf("%s for how long (Enter: %s; at most %s): ", role, say.Duration(usual), say.Duration(w.Longest)), func(answer string) string {
		switch d, ok := spanOf(answer); {
		case answer == "":
			q.For = usual
		case !ok:
			return "for example 45m, 2h or 1h30m, please"
		case d > w.Longest:
			return "at most " + say.Duration(w.Longest)
		default:
			q.For = d
		}
		return ""
	})
	if err != nil {
		return q, err
	}
	return q, t.ask("", "Why: ", func(answer string) string {
		switch {
		case answer == "":
			return "who agrees reads it; a few words, please"
		case len(answer) > maxReason || !utf8.ValidString(answer):
			return "a shorter one, please"
		}
		q.Reason = answer
		return ""
	})
}

// spanOf reads a duration as people type it: 45m, 2h, 1h30m, "45 min", 45.
func spanOf(text string) (time.Duration, bool) {
	text = strings.ToLower(strings.ReplaceAll(text, " ", ""))
	for _, word := range []string{"minutes", "minute", "mins", "min"} {
		text = strings.ReplaceAll(text, word, "m")
	}
	for _, word := range []string{"hours", "hour"} {
		text = strings.ReplaceAll(text, word, "h")
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n < 100_000 {
		return time.Duration(n) * time.Minute, true
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= time.Second
}
