package postgres

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew/record"
)

// parseParse reads a Parse message: name, text, types.
func parseParse(body []byte) (name, text string, err error) {
	name, rest, ok1 := takeName(body)
	text, types, ok2 := take0(rest)
	if !ok1 || !ok2 || len(types) < 2 || len(types) != 2+4*int(binary.BigEndian.Uint16(types)) {
		return "", "", malformed("a Parse message of another form")
	}
	return name, text, nil
}

const badBind = "a Bind message of another form"

// parseBind reads a Bind message: portal, statement, values, and the formats of the result, which are a part of body.
func parseBind(body []byte) (name, stmt string, values []record.Value, results []byte, err error) {
	name, rest, ok1 := takeName(body)
	stmt, rest, ok2 := takeName(rest)
	values, rest, ok3 := takeValues(rest)
	if !ok1 || !ok2 || !ok3 {
		return "", "", nil, nil, malformed(badBind)
	}
	results, rest, ok := take16s(rest)
	if !ok || len(rest) != 0 {
		return "", "", nil, nil, malformed(badBind)
	}
	return name, stmt, values, results, nil
}

// takeValues takes formats and values, as Bind and FunctionCall have them.
func takeValues(b []byte) (values []record.Value, rest []byte, ok bool) {
	formats, rest, ok := take16s(b)
	if !ok || len(rest) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(rest))
	rest = rest[2:]
	values = make([]record.Value, 0, min(n, 64))
	left := valuesLimit
	for i := range n {
		if len(rest) < 4 {
			return nil, nil, false
		}
		size := int(int32(binary.BigEndian.Uint32(rest)))
		rest = rest[4:]
		if size < 0 {
			values = append(values, record.Value{Null: true})
			continue
		}
		if size > len(rest) {
			return nil, nil, false
		}
		binaryFormat := len(formats) == 2 && formats[1] == 1 && formats[0] == 0 || 2*i < len(formats) && binary.BigEndian.Uint16(formats[2*i:]) == 1
		values = append(values, valueOf(rest[:size], binaryFormat, min(valueLimit, left)))
		left -= min(size, valueLimit, left)
		rest = rest[size:]
	}
	return values, rest, true
}

// valueOf is a bound value as the recording keeps it.
func valueOf(b []byte, binaryFormat bool, most int) record.Value {
	var v record.Value
	if len(b) > most {
		v.Cut = len(b) - most
		b = b[:most]
	}
	if binaryFormat || !utf8.Valid(b) && v.Cut == 0 {
		v.Binary, v.Text = true, hex.EncodeToString(b)
		return v
	}
	v.Text = strings.ToValidUTF8(string(b), "")
	return v
}

// rowsOf reads the count of a command tag: "UPDATE 38", "INSERT 0 3", "COPY 5".
func rowsOf(tag string) int64 {
	n, err := strconv.ParseInt(tag[strings.LastIndexByte(tag, ' ')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func take0(b []byte) (string, []byte, bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return "", nil, false
	}
	return string(b[:i]), b[i+1:], true
}

// nameBytes is how much of a name the target looks at (NAMEDATALEN, without the zero).
const nameBytes = 63

// takeName takes the name of a prepared statement or a portal as the target keeps it:
// those that differ further on are one. In other characters, names that differ here
// may be one after the target has converted them; no client is known to use any.
func takeName(b []byte) (string, []byte, bool) {
	name, rest, ok := take0(b)
	for i := range len(name) {
		ok = ok && name[i] < utf8.RuneSelf
	}
	return name[:min(len(name), nameBytes)], rest, ok
}

// take16s takes a counted list of 16-bit numbers; they are a part of b.
func take16s(b []byte) (list, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := 2 * int(binary.BigEndian.Uint16(b))
	if b = b[2:]; len(b) < n {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}
