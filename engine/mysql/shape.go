package mysql

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
	it.Rows, it.Bytes, it.Tag = 0, 0, "" // a count tells a value to whoever chose the question
	return it
}

// shape replaces every constant and comment of a statement. Where it is unsure it
// replaces more: what stands in double quotes is a string, unless the server's mode
// says otherwise, and comments may be statements.
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
	return c == '_' || c == '$' || c >= 0x80 || unicode.IsLetter(rune(c)) || unicode.IsDigit(rune(c))
}

// constant returns how long a constant or comment at the start of s is, and what
// stands for it; 0 if there is none.
func constant(s string, inWord bool) (int, string) {
	switch {
	case s[0] == '\'' || s[0] == '"':
		return quotedEnd(s), "?"
	case s[0] == '`':
		if i := strings.IndexByte(s[1:], '`'); i >= 0 {
			return i + 2, s[:i+2]
		}
		return len(s), "?"
	case strings.HasPrefix(s, "--") || s[0] == '#':
		if i := strings.IndexByte(s, '\n'); i >= 0 {
			return i, "--"
		}
		return len(s), "--"
	case strings.HasPrefix(s, "/*"):
		if i := strings.Index(s, "*/"); i >= 0 {
			return i + 2, "/**/"
		}
		return len(s), "/**/"
	case s[0] >= '0' && s[0] <= '9' && !inWord:
		n := 1
		for n < len(s) && (wordByte(s[n]) || s[n] == '.') {
			n++
		}
		return n, "?"
	}
	return 0, ""
}

// quotedEnd is how long a string is. Before a quote a backslash may escape it or not, as
// the session's mode says: nothing behind it is shown then.
func quotedEnd(s string) int {
	q := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == q:
			return len(s)
		case s[i] == '\\':
			i++
		case s[i] == q && i+1 < len(s) && s[i+1] == q:
			i++
		case s[i] == q:
			return i + 1
		}
	}
	return len(s)
}
