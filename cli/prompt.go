package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// Terminal is where a person sits.
type Terminal interface {
	// Interactive says whether somebody can be asked.
	Interactive() bool
	// ReadSecret asks for something that is not shown while it is typed.
	ReadSecret(ctx context.Context, prompt string) (string, error)
}

// widthOf is how many columns a terminal has; 0 for what is none.
func widthOf(v any) int {
	if !isTerminal(v) {
		return 0
	}
	width, _, err := term.GetSize(int(v.(*os.File).Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// processTerminal is the terminal of this process.
type processTerminal struct {
	in  io.Reader
	out io.Writer
}

func isTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (t processTerminal) Interactive() bool { return isTerminal(t.in) && isTerminal(t.out) }

// ReadSecret gives the terminal back as it was when ctx ends; the read goes on
// until the process ends, which is then at once.
func (t processTerminal) ReadSecret(ctx context.Context, prompt string) (string, error) {
	f, ok := t.in.(*os.File)
	if !ok {
		return "", io.EOF
	}
	fd := int(f.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("look at the terminal: %w", err)
	}
	_, _ = fmt.Fprint(t.out, prompt)
	type answer struct {
		text []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		got <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		_ = term.Restore(fd, before)
		_, _ = fmt.Fprintln(t.out)
		return "", ctx.Err()
	case x := <-got:
		_, _ = fmt.Fprintln(t.out)
		return string(x.text), x.err
	}
}

// asks says whether somebody may be asked.
func (a *app) asks() bool {
	return !a.opt.noInput && !a.opt.json && a.parts.Terminal.Interactive()
}

// line asks for a line; an empty answer is the default.
func (a *app) line(ctx context.Context, prompt, def string) (string, error) {
	if def != "" {
		prompt += " [" + clean(def) + "]"
	}
	a.errf("%s: ", prompt)
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // as in ReadSecret: after Ctrl-C the process ends at once
		text, err := a.in.ReadString('\n')
		got <- answer{text, err}
	}()
	select {
	case <-ctx.Done():
		a.errf("\n")
		return "", ctx.Err()
	case x := <-got:
		text := strings.TrimSpace(x.text)
		if x.err != nil && (!errors.Is(x.err, io.EOF) || text == "") {
			return "", usage("the answer did not come")
		}
		if text == "" {
			return def, nil
		}
		return text, nil
	}
}

// confirm asks yes or no; without somebody to ask, --yes says yes.
func (a *app) confirm(ctx context.Context, question string) (bool, error) {
	if a.opt.yes {
		return true, nil
	}
	if !a.asks() {
		return false, usage("this wants a yes, and there is nobody to ask: add --yes")
	}
	text, err := a.line(ctx, question+" (y/N)", "")
	return strings.EqualFold(text, "y") || strings.EqualFold(text, "yes"), err
}

// maxPassphrase bounds what is read from standard input.
const maxPassphrase = 4096

// passphrase gets a passphrase: the first line of standard input if told so,
// else from the terminal. It never is an argument or a variable.
func (a *app) passphrase(ctx context.Context, stdin bool, prompt string) (string, error) {
	if stdin {
		text, err := bufio.NewReader(io.LimitReader(a.in, maxPassphrase)).ReadString('\n')
		text = strings.TrimRight(text, "\r\n")
		if text == "" {
			if err == nil || errors.Is(err, io.EOF) {
				err = usage("the first line of standard input is empty: it is the passphrase")
			}
			return "", err
		}
		return text, nil
	}
	if !a.asks() {
		return "", failed(exitNotSignedIn, "needs_sign_in", "this needs your passphrase, and there is no terminal to ask on: pass it on standard input with --passphrase-stdin")
	}
	text, err := a.parts.Terminal.ReadSecret(ctx, prompt+": ")
	if err == nil && text == "" {
		err = failed(exitNotSignedIn, "needs_sign_in", "no passphrase was typed; nothing was done")
	}
	return text, err
}

// newPassphrase asks twice.
func (a *app) newPassphrase(ctx context.Context, stdin bool) (string, error) {
	first, err := a.passphrase(ctx, stdin, "New passphrase")
	if err != nil || stdin {
		return first, err
	}
	second, err := a.passphrase(ctx, false, "Once more")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", usage("the two passphrases are not the same; nothing was used up, do it again")
	}
	return first, nil
}
