package judge

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// The parser's stack does not bear more than about 150 nested queries or 500 nested
// operators; beyond, it corrupts its memory instead of failing. So a text is weighed
// before it is parsed. deepest is a third of what was seen to break.
const (
	longest = 256 << 10 // bytes of one text
	deepest = 500
	most    = 60000 // words, signs and constants: reading one takes up to 3 kB for a moment
	several = 1000  // statements
)

// weigh refuses what the parser might not survive. It may count too much, never too little.
func weigh(text string) error {
	if len(text) > longest {
		return fmt.Errorf("it is longer than %d bytes", longest)
	}
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return fmt.Errorf("it is not valid UTF-8")
	}
	s := scales{rest: text, levels: []level{{}}}
	for s.rest != "" {
		s.step()
		switch {
		case s.weight > deepest:
			return fmt.Errorf("it is nested too deeply")
		case s.pieces > most:
			return fmt.Errorf("it has more than %d words", most)
		case s.ends > several:
			return fmt.Errorf("it has more than %d statements", several)
		}
	}
	return nil
}

type level struct {
	open    string
	chain   int // since the last comma or AND
	lasting int // set operations and joins
	between int // BETWEENs whose AND is still to come
}

// scales hold the sum over the open levels.
type scales struct {
	rest   string
	levels []level
	weight int
	pieces int
	ends   int    // of statements
	last   string // the word before, if no other sign came since; "." after a dot
}

func (s *scales) top() *level { return &s.levels[len(s.levels)-1] }

func (s *scales) add(n int) { s.top().chain += n; s.weight += n }

func (s *scales) next() { s.weight -= s.top().chain; s.top().chain = 0 }

func (s *scales) push(open string) {
	s.add(5)
	s.levels = append(s.levels, level{open: open})
}

func (s *scales) pop(open string) {
	if t := s.top(); len(s.levels) > 1 && t.open == open {
		s.weight -= t.chain + t.lasting
		s.levels = s.levels[:len(s.levels)-1]
	}
}

func (s *scales) step() {
	c := s.rest[0]
	switch {
	case strings.ContainsRune(" \t\r\n\f\v", rune(c)):
		s.rest = s.rest[1:]
		return
	case strings.HasPrefix(s.rest, "--"):
		s.line()
		return
	case strings.HasPrefix(s.rest, "/*"):
		s.comment()
		return
	}
	s.pieces++
	last := s.last
	s.last = ""
	switch {
	case c == '\'':
		s.quote(false)
	case c == '"':
		s.identifier()
	case c == '$':
		s.dollar()
	case c == '(' || c == '[':
		s.push(string(c))
		s.rest = s.rest[1:]
	case c == ')':
		s.closeBracket("(")
	case c == ']':
		s.closeBracket("[")
	case c == ',':
		s.next()
		s.rest = s.rest[1:]
	case c == ';':
		s.ends++
		s.next()
		s.weight -= s.top().lasting
		s.top().lasting = 0
		s.rest = s.rest[1:]
	case wordByte(c):
		s.word(last)
	case c == '.':
		s.last = "."
		s.rest = s.rest[1:]
	default:
		s.add(2)
		s.rest = s.rest[1:]
	}
}

// closeBracket also closes the CASEs that were left open within it.
func (s *scales) closeBracket(open string) {
	for s.top().open == "case" {
		s.pop("case")
	}
	s.pop(open)
	s.rest = s.rest[1:]
}

func (s *scales) until(end string) {
	if i := strings.Index(s.rest, end); i >= 0 {
		s.rest = s.rest[i+len(end):]
	} else {
		s.rest = ""
	}
}

// line passes the rest of a line, which a carriage return ends too.
func (s *scales) line() {
	if i := strings.IndexAny(s.rest, "\r\n"); i >= 0 {
		s.rest = s.rest[i:]
	} else {
		s.rest = ""
	}
}

func (s *scales) comment() {
	depth := 0
	for s.rest != "" {
		switch {
		case strings.HasPrefix(s.rest, "/*"):
			depth++
			s.rest = s.rest[2:]
		case strings.HasPrefix(s.rest, "*/"):
			depth--
			s.rest = s.rest[2:]
			if depth == 0 {
				return
			}
		default:
			s.rest = s.rest[1:]
		}
	}
}

// quote passes a string; only E'…' knows backslashes.
func (s *scales) quote(escapes bool) {
	s.add(1)
	for i := 1; i < len(s.rest); i++ {
		if escapes && s.rest[i] == '\\' {
			i++
		} else if escapes && strings.HasPrefix(s.rest[i:], "''") {
			i++
		} else if s.rest[i] == '\'' {
			s.rest = s.rest[i+1:]
			if after := strings.TrimLeft(s.rest, " \t\r\n\f\v"); escapes && (strings.HasPrefix(after, "'") || strings.HasPrefix(after, "--")) {
				s.add(deepest) // a string in pieces: too rare to be followed
			}
			return
		}
	}
	s.rest = ""
}

func (s *scales) identifier() {
	s.add(1)
	s.rest = s.rest[1:]
	s.until(`"`)
}

// dollar passes $1 and $tag$ … $tag$.
func (s *scales) dollar() {
	s.add(1)
	n := 1
	for n < len(s.rest) && wordByte(s.rest[n]) {
		n++
	}
	if n < len(s.rest) && s.rest[n] == '$' && (n == 1 || s.rest[1] < '0' || s.rest[1] > '9') {
		tag := s.rest[:n+1]
		s.rest = s.rest[n+1:]
		s.until(tag)
		return
	}
	s.rest = s.rest[1:]
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// word weighs a word by what it may be. Only what surely begins something beside what
// stands before it, and not within it, takes weight away: not the AND of a BETWEEN, not
// the FROM of IS DISTINCT FROM, no name after a dot.
func (s *scales) word(last string) {
	n, number := 0, s.rest[0] >= '0' && s.rest[0] <= '9' // a number ends before $, a name does not
	for n < len(s.rest) && (wordByte(s.rest[n]) || s.rest[n] == '$' && !number) {
		n++
	}
	w := strings.ToLower(s.rest[:n])
	s.rest = s.rest[n:]
	s.last = w
	switch {
	case last == ".":
		s.add(1)
	case w == "between":
		s.top().between++
		s.add(1)
	case w == "and" && s.top().between > 0:
		s.top().between--
		s.add(1)
	case w == "from" && last == "distinct":
		s.add(1)
	default:
		s.weighWord(w)
	}
}

func (s *scales) weighWord(w string) {
	switch w {
	case "and", "or", "then", "when", "else", "from", "where":
		s.next()
	case "case":
		s.push("case")
	case "end":
		s.pop("case")
	case "union", "except", "intersect", "join":
		s.next()
		s.top().lasting += 2
		s.weight += 2
	case "not", "at", "explain", "prepare", "with":
		s.add(4)
	case "e":
		if strings.HasPrefix(s.rest, "'") {
			s.quote(true)
		}
	default:
		s.add(1)
	}
}
