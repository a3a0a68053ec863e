package postgres

import (
	"strings"
	"unicode"

	"github.com/curfewhq/curfew/record"
)

// Shape shows what was said without any value in it: literals of statements
// become "?", bound values and the target's words are left out.
func (*Engine) Shape(it record.Item) record.Item {
	switch it.Kind {
	case record.Opened, record.Notice, record.Closed, record.Broken: // our own words
	default:
		it.Text = shape(it.Text)
	}
	values := make([]record.Value, len(it.Values))
	for i := range values {
		values[i] = record.Value{Text: "?"}
	}
	it.Values = values
	it.Columns, it.Table, it.Left = nil, nil, 0
	if it.Error != "" {
		it.Error = "(hidden)"
	}
	it.Rows = 0 // a count tells a value to whoever chose the question
	if it.Tag, _, _ = strings.Cut(it.Tag, " "); it.Kind == record.Held {
		it.Tag = "" // with the salt, values could be guessed against the digest
	}
	it.Bytes = 0
	return it
}

// shape replaces every constant and comment of a statement. Where it is unsure it
// replaces more.
func shape(sql string) string {
	var out strings.Builder
	for i := 0; i < len(sql); {
		n, mark := constant(sql[i:], i > 0 && wordByte(sql[i-1]))
		if n > 0 {
			out.WriteString(mark)
			i += n
			continue
		}
		out.WriteByte(sql[i])
		i++
	}
	return out.String()
}

func wordByte(c byte) bool {
	return c == '_' || c >= 0x80 || unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))
}

// constant returns how long a constant or comment at the start of s is, and what
// stands for it; 0 if there is none.
func constant(s string, inWord bool) (int, string) {
	switch {
	case s[0] == '\'':
		return quotedEnd(s), "?"
	case s[0] == '"':
		if i := strings.IndexByte(s[1:], '"'); i >= 0 {
			return i + 2, s[:i+2]
		}
		return len(s), "?"
	case strings.HasPrefix(s, "--"):
		if i := strings.IndexByte(s, '\n'); i >= 0 {
			return i, "--"
		}
		return len(s), "--"
	case strings.HasPrefix(s, "/*"):
		return commentEnd(s), "/**/"
	case s[0] == '$' && !inWord:
		return dollarEnd(s)
	case s[0] >= '0' && s[0] <= '9' && !inWord:
		n := 1
		for n < len(s) && (wordByte(s[n]) || s[n] == '.') {
			n++
		}
		return n, "?"
	}
	return 0, ""
}

// commentEnd: comments nest.
func commentEnd(s string) int {
	deep := 0
	for i := 0; i < len(s)-1; i++ {
		switch s[i : i+2] {
		case "/*":
			deep++
			i++
		case "*/":
			i++
			if deep--; deep == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// quotedEnd: a backslash may or may not escape a quote, and with either reading what
// follows may stand within another constant: all of it is hidden.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '\'':
			return len(s)
		case s[i] == '\'' && i+1 < len(s) && s[i+1] == '\'':
			i++
		case s[i] == '\'':
			return i + 1
		}
	}
	return len(s)
}

func dollarEnd(s string) (int, string) {
	i := strings.IndexByte(s[1:], '$')
	if i < 0 || len(s) > 1 && s[1] >= '0' && s[1] <= '9' || strings.ContainsFunc(s[1:i+1], func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		return 0, "" // a parameter: $1
	}
	tag := s[:i+2]
	if j := strings.Index(s[len(tag):], tag); j >= 0 {
		return len(tag) + j + len(tag), "?"
	}
	return len(s), "?"
}
