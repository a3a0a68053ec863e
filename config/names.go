package config

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/schedule"
)

// The patterns, for the schema; the functions say what is wrong.
const (
	namePattern  = `^[\p{L}\p{N}][\p{L}\p{N}._\-/@+#]*$`
	emailPattern = `^[A-Za-z0-9._%+'\-]+@[A-Za-z0-9.\-]+\.[A-Za-z]{2,}$`
	loginPattern = `^(env|file):[A-Za-z0-9_.\-]+$`
)

func fixOf(err error) string {
	if e, ok := errors.AsType[*curfew.Error](err); ok {
		return e.Fix
	}
	return ""
}

func refuse(fix, format string, args ...any) *curfew.Error {
	e := curfew.Errorf(curfew.Invalid, format, args...)
	e.Fix = fix
	return e
}

func checkName(s string) (string, error) {
	return s, curfew.CheckName(s)
}

// checkGroup also keeps clear of the words that say who approves.
func checkGroup(s string) (string, error) {
	if s == "manager" || s == "peer" || s == "requester" || strings.Contains(s, "@") {
		return "", refuse("give it another name", "a group cannot be called %q", s)
	}
	return checkName(s)
}

// checkEmail returns the address in lower case. Only ASCII: twins that look
// alike in other alphabets are no addresses here (THREATS 9).
func checkEmail(s string) (string, error) {
	s = strings.ToLower(strings.TrimSpace(s))
	for _, r := range s {
		if r > unicode.MaxASCII {
			return "", refuse("write it in ASCII", "the e-mail address %q has the letter %q, which is not ASCII", s, r)
		}
	}
	local, domain, _ := strings.Cut(s, "@")
	ok := len(s) <= 254 && !strings.Contains(s, "..") && strings.Trim(local, ".") == local && strings.Trim(domain, ".-") == domain
	if matched, _ := regexp.MatchString(emailPattern, s); !matched || !ok {
		return "", refuse("for example alice@acme.io", "%q is no e-mail address", s)
	}
	return s, nil
}

// checkWho takes a group or an e-mail address.
func checkWho(s string) (string, error) {
	if strings.Contains(s, "@") {
		return checkEmail(s)
	}
	return checkGroup(s)
}

// checkFrom also takes manager and peer.
func checkFrom(s string) (string, error) {
	if s == "manager" || s == "peer" {
		return s, nil
	}
	return checkWho(s)
}

func checkHours(s string) (string, error) {
	w, err := schedule.Parse(s)
	if err != nil {
		return "", err
	}
	return w.String(), nil
}

// checkDisplay takes text that people read: one line, nothing that acts.
func checkDisplay(s string) (string, error) {
	if strings.TrimSpace(s) == "" || len(s) > 500 {
		return "", refuse("write a short sentence", "a text is empty or longer than 500 bytes")
	}
	return checkLine(s)
}

// checkLine takes one line of an engine's grammar.
func checkLine(s string) (string, error) {
	if strings.TrimSpace(s) == "" || len(s) > 2000 {
		return "", refuse("", "a line is empty or longer than 2000 bytes")
	}
	for _, r := range s {
		if unicode.IsControl(r) || hidden(r) {
			return "", refuse("write one line of plain text", "a text has the character %U in it", r)
		}
	}
	return s, nil
}

func checkDigest(s string) (string, error) {
	if ok, _ := regexp.MatchString(`^[0-9a-f]{8,64}$`, s); !ok {
		return "", refuse("curfew doctor prints it", "%q is no digest", s)
	}
	return s, nil
}

// checkLogin takes a reference, never a secret, never a path (THREATS 6). The
// message does not repeat what may be a secret.
func checkLogin(s string) (string, error) {
	const fix = "put the secret into the credentials folder or the environment and write login: env:NAME or login: file:NAME"
	kind, name, found := strings.Cut(s, ":")
	if !found || kind != "env" && kind != "file" {
		return "", refuse(fix, "a login is a reference; a secret never stands in this file")
	}
	if ok, _ := regexp.MatchString(loginPattern, s); !ok || strings.Trim(name, ".") == "" || len(name) > curfew.MaxName {
		return "", refuse(fix, "a login names an entry: letters, digits and . _ -, never a path")
	}
	return s, nil
}

// checkAddress refuses an address that carries a password. The message does not repeat it.
func checkAddress(s string) (string, error) {
	const fix = "write login: env:NAME or login: file:NAME"
	if _, err := checkDisplay(s); err != nil {
		return "", err
	}
	user, _, hasUser := strings.Cut(s[strings.Index(s, "://")+1:], "@")
	if hasUser && strings.Contains(strings.TrimPrefix(user, "//"), ":") {
		return "", refuse(fix, "an address has a password in it; a secret never stands in this file")
	}
	u, err := url.Parse(s)
	if strings.Contains(s, "://") && err != nil {
		return "", refuse("for example https://api.internal", "an address cannot be read")
	}
	lower := strings.ToLower(s)
	for _, secret := range []string{"password=", "passwd=", "pwd=", "secret=", "token=", "key="} {
		if strings.Contains(lower, secret) || u != nil && u.User != nil && hasPassword(u) {
			return "", refuse(fix, "an address has a secret in it; a secret never stands in this file")
		}
	}
	return s, nil
}

func hasPassword(u *url.URL) bool {
	_, has := u.User.Password()
	return has
}

// skeleton is what a name looks like: without case and spaces, letters that
// look like a Latin one as that one.
func skeleton(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 0xff01 && r <= 0xff5e { // full width
			r -= 0xfee0
		}
		if unicode.IsSpace(r) || hidden(r) || unicode.Is(unicode.Mn, r) {
			return -1
		}
		if latin, ok := twin(r); ok {
			r = latin
		}
		r = unicode.ToLower(r)
		if latin, ok := twin(r); ok {
			r = latin
		}
		return r
	}, s)
}

// twin returns the ASCII letter that a Cyrillic, Greek or other letter looks
// like: those of Unicode's confusables.txt that a name could have.
func twin(r rune) (rune, bool) {
	const from = "аеорсухіјѕһԁԛԝгАВЕКМНОРСТУХІЈЅԌԚԜαοροντυικχΑΒΕΖΗΙΚΜΝΟΡΤΥΧıɡℓΙІӀ０Οօսոհյցաⅰⅼⅽⅾⅿ"
	const to = "aeopcyxijshdqwrABEKMHOPCTYXIJSGQWaopovtuikxABEZHIKMNOPTYXiglIIIoOouuhjgwilcdm"
	at := strings.IndexRune(from, r)
	if at < 0 {
		return 0, false
	}
	i := 0
	for pos := range from {
		if pos == at {
			break
		}
		i++
	}
	return rune(to[i]), true
}
