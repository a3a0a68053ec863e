package judge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a text.
const (
	longest = 256 << 10 // bytes
	deepest = 200       // brackets in brackets
	most    = 60000     // words, signs and constants
	several = 1000      // statements
)

// read reads a text into words, as every server does under what is pinned, and returns
// it without its comments, byte for byte in the same places. What servers of different
// versions, or the grammar, may read otherwise is an error.
func read(text string) (plain string, err error) {
	if len(text) > longest {
		return "", fmt.Errorf("it is longer than %d bytes", longest)
	}
	if !utf8.ValidString(text) {
		return "", errors.New("it is not valid UTF-8 (bind bytes as values, or write them as x'…')")
	}
	if strings.IndexByte(text, 0) >= 0 { // a server ends a comment there
		return "", errors.New("a NUL stands in it")
	}
	s := scanner{text: text, out: []byte(text)}
	for s.at < len(s.text) {
		if err := s.step(); err != nil {
			return "", err
		}
		if s.pieces > most || s.ends > several || s.depth > deepest {
			return "", errors.New("it has too many words, statements or brackets")
		}
	}
	if s.inside {
		return "", errors.New("a comment in it does not end")
	}
	return string(s.out), nil
}

// scanner reads one text.
type scanner struct {
	text   string
	out    []byte // the text, with blanks for comments
	at     int
	inside bool // a comment that all servers run
	pieces int
	ends   int
	depth  int
	last   byte   // what stands before, comments and blanks left out: 'a' a word, '`' a quoted name, '\'' a string, '1' a number, or the sign
	joined bool   // nothing stands between it and what comes
	named  string // the last word, in lower case
}

func (s *scanner) rest() string { return s.text[s.at:] }

func (s *scanner) done(n int, last byte) error {
	s.at += n
	s.pieces++
	s.last, s.joined = last, true
	return nil
}

func (s *scanner) step() error {
	rest := s.rest()
	c := rest[0]
	switch {
	case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		s.at++
		s.joined = false
		return nil
	case c < ' ' || c == 0x7f:
		return errors.New("a control character stands in it")
	case c == '#' || strings.HasPrefix(rest, "--"):
		return s.line()
	case strings.HasPrefix(rest, "/*"):
		return s.comment()
	case strings.HasPrefix(rest, "*/"):
		return s.ending()
	case c == '\'' || c == '"':
		if s.joined && (s.last == 'a' || s.last == '`' || s.last == '1' || s.last == '@') {
			return errors.New("a string stands right behind a word")
		}
		return s.quoted(0)
	case c == '`':
		return s.name()
	case c >= '0' && c <= '9' || c == '.' && len(rest) > 1 && rest[1] >= '0' && rest[1] <= '9':
		return s.number()
	case wordByte(c):
		return s.word()
	case c == '@':
		return s.variable()
	}
	return s.sign(c)
}

// blank takes so many bytes out of the text.
func (s *scanner) blank(n int) {
	for i := s.at; i < s.at+n; i++ {
		if s.out[i] != '\n' {
			s.out[i] = ' '
		}
	}
	s.at += n
	s.joined = false
}

// line is a comment up to the end of the line.
func (s *scanner) line() error {
	rest := s.rest()
	if s.inside {
		return errors.New("a comment stands within a comment")
	}
	if rest[0] == '-' && len(rest) > 2 && !strings.ContainsRune(" \t\r\n", rune(rest[2])) {
		return errors.New("-- without a blank behind it is no comment everywhere")
	}
	n := strings.IndexByte(rest, '\n')
	if n < 0 {
		n = len(rest)
	}
	s.blank(n)
	return nil
}

// comment: one that all servers run (/*!40001 … */, with a version below those where
// MariaDB and MySQL part) is read like what stands around it.
func (s *scanner) comment() error {
	rest := s.rest()
	if s.inside {
		return errors.New("a comment stands within a comment")
	}
	body := rest[2:]
	if strings.HasPrefix(body, "!") {
		if len(body) < 7 || body[6] != ' ' || body[1:6] < "30000" || body[1:6] > "50599" || strings.Trim(body[1:6], "0123456789") != "" {
			return errors.New("a comment that some servers run and others do not")
		}
		s.inside = true
		s.blank(9)
		return nil
	}
	if strings.HasPrefix(body, "+") || len(body) > 1 && body[1] == '!' {
		return errors.New("a comment that some servers run and others do not")
	}
	n := strings.Index(body, "*/")
	if n < 0 {
		return errors.New("a comment in it does not end")
	}
	s.blank(n + 4)
	return nil
}

func (s *scanner) ending() error {
	if !s.inside {
		return errors.New("*/ ends no comment")
	}
	s.inside = false
	s.blank(2)
	return nil
}

// quoted is a string whose first quote stands so many bytes ahead.
func (s *scanner) quoted(ahead int) error {
	rest := s.rest()
	q := rest[ahead]
	for i := ahead + 1; i < len(rest); i++ {
		switch {
		case rest[i] == '\\':
			i++ // of a character of several bytes the first: no other is a quote or a backslash
		case rest[i] == q && i+1 < len(rest) && rest[i+1] == q:
			i++
		case rest[i] == q:
			return s.done(i+1, '\'')
		}
	}
	return errors.New("a string in it does not end")
}

// name is a name in backticks.
func (s *scanner) name() error {
	if s.joined && (s.last == 'a' || s.last == '1' || s.last == '`' || s.last == '\'') {
		return errors.New("a quoted name stands right behind a word")
	}
	rest := s.rest()
	for i := 1; i < len(rest); i++ {
		switch {
		case rest[i] == '`' && i+1 < len(rest) && rest[i+1] == '`':
			i++
		case rest[i] == '`':
			return s.goodName(rest[1:i], i+1)
		}
	}
	return errors.New("a quoted name does not end")
}

func (s *scanner) goodName(name string, n int) error {
	bad := func(r rune) bool { return r > 0xffff || r < ' ' || r == 0x7f || r == unicode.ReplacementChar }
	if name == "" || strings.HasSuffix(name, " ") || strings.ContainsFunc(name, bad) {
		return errors.New("a name has characters that names cannot have")
	}
	return s.done(n, '`')
}

// wordByte: letters, digits, and whatever is not ASCII.
func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// length is how many bytes of a text are of a word.
func length(text string) int {
	n := 0
	for n < len(text) && (wordByte(text[n]) || text[n] == '$') {
		n++
	}
	return n
}

// number: what a server may take for a name that begins with a digit is none.
func (s *scanner) number() error {
	rest := s.rest()
	if s.last == '.' || rest[0] == '.' && (s.last == 'a' || s.last == '`' || s.last == '1') || s.joined && (s.last == '\'' || s.last == '`' || s.last == '@') {
		return errors.New("a number stands where a name may begin")
	}
	n := 0
	digits := func(set string) (k int) {
		for n < len(rest) && strings.IndexByte(set, rest[n]) >= 0 {
			n++
			k++
		}
		return k
	}
	const decimal = "0123456789"
	switch {
	case strings.HasPrefix(rest, "0x"):
		n = 2
		if digits(decimal+"abcdefABCDEF") == 0 {
			return errNumber
		}
	case strings.HasPrefix(rest, "0b"):
		n = 2
		if digits("01") == 0 {
			return errNumber
		}
	default:
		digits(decimal)
		if n < len(rest) && rest[n] == '.' {
			n++
			if digits(decimal) == 0 {
				return errNumber
			}
		}
		if n < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
			n++
			if n < len(rest) && (rest[n] == '+' || rest[n] == '-') {
				n++
			}
			if digits(decimal) == 0 {
				return errNumber
			}
		}
	}
	if n < len(rest) && (wordByte(rest[n]) || strings.IndexByte("$.@", rest[n]) >= 0) {
		return errNumber
	}
	return s.done(n, '1')
}

var errNumber = errors.New("a number is written so that it may be a name")

// word is a keyword or a plain name, or what stands before a string and says how it is read.
func (s *scanner) word() error {
	rest := s.rest()
	n := length(rest)
	w := rest[:n]
	if s.joined && (s.last == '\'' || s.last == '`' || s.last == '1') {
		return errors.New("a word stands right behind a string")
	}
	for _, r := range w {
		if r >= 0x80 && (r > 0xffff || !unicode.IsLetter(r) && !unicode.IsDigit(r)) {
			return errors.New("a name has characters that servers may read otherwise; quote it with backticks")
		}
	}
	quote := n < len(rest) && (rest[n] == '\'' || rest[n] == '"')
	switch {
	case w[0] == '_':
		if !slices.Contains([]string{"_utf8mb4", "_utf8", "_binary", "_latin1", "_ascii"}, strings.ToLower(w)) {
			return errors.New("a word that begins with _ may say how a string is read; quote it with backticks if it is a name")
		}
		return s.done(n, '_')
	case quote && (w == "x" || w == "X") && rest[n] == '\'':
		return s.digits(n, "0123456789abcdefABCDEF", 2)
	case quote && (w == "b" || w == "B") && rest[n] == '\'':
		return s.digits(n, "01", 1)
	case quote:
		return errors.New("a string stands right behind a word")
	}
	s.named = strings.ToLower(w)
	return s.done(n, 'a')
}

// adjacent are functions that are the server's own only if their bracket follows at once;
// otherwise a routine may be meant.
func adjacent(name string) bool {
	return slices.Contains([]string{
		"adddate", "bit_and", "bit_or", "bit_xor", "cast", "count", "curdate", "curtime", "date_add", "date_sub", "extract", "group_concat", "json_arrayagg", "json_objectagg",
		"max", "mid", "min", "now", "position", "session_user", "std", "stddev", "stddev_pop", "stddev_samp", "subdate", "substr", "substring", "sum", "sysdate", "system_user",
		"trim", "var_pop", "var_samp", "variance",
	}, name)
}

// digits is x'…' or b'…'.
func (s *scanner) digits(n int, set string, of int) error {
	rest := s.rest()
	end := strings.IndexByte(rest[n+1:], '\'')
	if end < 0 || end%of != 0 || strings.Trim(rest[n+1:n+1+end], set) != "" {
		return errNumber
	}
	return s.done(n+end+2, '1')
}

// variable is @name, @`name`, @@name or @@session.name.
func (s *scanner) variable() error {
	rest := s.rest()
	if s.joined && s.last != 0 && strings.IndexByte("a`'1@.", s.last) >= 0 {
		return errors.New("an @ stands right behind a word")
	}
	n := 1
	if strings.HasPrefix(rest, "@@") {
		n = 2
		for {
			k := length(rest[n:])
			if k == 0 {
				return errors.New("a variable has no name")
			}
			n += k
			if n == len(rest) || rest[n] != '.' {
				break
			}
			n++
		}
	} else if strings.HasPrefix(rest, "@`") {
		return s.done(1, '@') // the name comes next
	} else if n += length(rest[1:]); n == 1 {
		return errors.New("a variable has no plain name")
	}
	for _, c := range []byte(rest[:n]) {
		if c >= 0x80 {
			return errors.New("a variable has no plain name")
		}
	}
	if after := strings.TrimLeft(rest[n:], " \t\r\n"); after != "" && (after[0] == '.' || strings.IndexByte("`'\"@", rest[n]) >= 0) {
		return errors.New("a variable has no plain name")
	}
	return s.done(n, 'v')
}

// sign is everything else: only what the grammar and all servers know.
func (s *scanner) sign(c byte) error {
	switch {
	case c == ';':
		if s.inside {
			return errors.New("a statement ends within a comment")
		}
		s.ends++
	case c == '(':
		if s.last == 'a' && !s.joined && adjacent(s.named) {
			return errors.New("a blank stands between the function " + s.named + " and its bracket")
		}
		s.depth++
	case c == ')':
		s.depth--
	case c == ':':
		if !strings.HasPrefix(s.rest(), ":=") {
			return errors.New("a : stands in it")
		}
		return s.done(2, '=')
	case strings.IndexByte(",+-*/%=<>!&|^~?.", c) < 0:
		return fmt.Errorf("the sign %q stands in it", c)
	}
	return s.done(1, c)
}
