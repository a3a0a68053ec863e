package record

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendLine appends the item as one line of JSON, the text that encoding/json
// would write. It stands on the path of every statement, so it does not reflect.
func AppendLine(b []byte, it *Item) []byte {
	b = append(b, `{"at":"`...)
	b = it.At.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","kind":`...)
	b = appendText(b, string(it.Kind))
	if it.Ref != 0 {
		b = strconv.AppendUint(append(b, `,"ref":`...), it.Ref, 10)
	}
	b = textField(b, `,"text":`, it.Text)
	if len(it.Values) > 0 {
		b = appendValues(append(b, `,"values":`...), it.Values)
	}
	if len(it.Columns) > 0 || len(it.Table) > 0 {
		b = appendTable(b, it)
	}
	b = intField(b, `,"left":`, it.Left)
	b = textField(b, `,"tag":`, it.Tag)
	b = intField(b, `,"rows":`, it.Rows)
	b = intField(b, `,"bytes":`, it.Bytes)
	b = intField(b, `,"took":`, int64(it.Took))
	b = textField(b, `,"error":`, it.Error)
	b = textField(b, `,"code":`, it.Code)
	return append(b, '}', '\n')
}

func appendTable(b []byte, it *Item) []byte {
	if len(it.Columns) > 0 {
		b = append(b, `,"columns":[`...)
		for i, c := range it.Columns {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(b, c)
		}
		b = append(b, ']')
	}
	if len(it.Table) > 0 {
		b = append(b, `,"table":[`...)
		for i, row := range it.Table {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValues(b, row)
		}
		b = append(b, ']')
	}
	return b
}

func appendValues(b []byte, all []Value) []byte {
	b = append(b, '[')
	for i := range all {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, &all[i])
	}
	return append(b, ']')
}

func appendValue(b []byte, v *Value) []byte {
	b = append(b, '{')
	start := len(b)
	b = textField(b, `,"text":`, v.Text)
	if v.Null {
		b = append(b, `,"null":true`...)
	}
	if v.Binary {
		b = append(b, `,"binary":true`...)
	}
	b = intField(b, `,"cut":`, int64(v.Cut))
	if len(b) > start { // the first comma
		b = append(b[:start], b[start+1:]...)
	}
	return append(b, '}')
}

func textField(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(append(b, name...), text)
}

func intField(b []byte, name string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, name...), n, 10)
}

const hexDigits = "0123456789abcdef"

// appendText quotes as encoding/json does without escaping HTML: what is not
// UTF-8 becomes U+FFFD.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	done := 0 // s[:done] is appended
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		r, size := rune(c), 1
		if c >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(s[i:])
			if (r != utf8.RuneError || size > 1) && r != '\u2028' && r != '\u2029' {
				i += size
				continue
			}
		}
		b = append(append(b, s[done:i]...), '\\')
		switch r {
		case '"', '\\':
			b = append(b, c)
		case '\b':
			b = append(b, 'b')
		case '\f':
			b = append(b, 'f')
		case '\n':
			b = append(b, 'n')
		case '\r':
			b = append(b, 'r')
		case '\t':
			b = append(b, 't')
		default:
			b = append(b, 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		}
		i += size
		done = i
	}
	return append(append(b, s[done:]...), '"')
}
