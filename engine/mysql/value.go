package mysql

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/curfewhq/curfew/record"
)

// Types of values (protocol, "Column Type").
const (
	typeDecimal   = 0x00
	typeTiny      = 0x01
	typeShort     = 0x02
	typeLong      = 0x03
	typeFloat     = 0x04
	typeDouble    = 0x05
	typeNull      = 0x06
	typeTimestamp = 0x07
	typeLongLong  = 0x08
	typeInt24     = 0x09
	typeDate      = 0x0a
	typeTime      = 0x0b
	typeDateTime  = 0x0c
	typeYear      = 0x0d
	typeVarchar   = 0x0f
	typeBit       = 0x10
	typeJSON      = 0xf5
	typeGeometry  = 0xff
)

// readValue reads one value as the binary protocol has it.
func readValue(c *cursor, kind byte, unsigned bool) (record.Value, error) {
	var v record.Value
	switch kind {
	case typeTiny, typeShort, typeYear, typeLong, typeInt24, typeLongLong:
		v = integer(c.take(width(kind)), unsigned)
	case typeFloat:
		v = record.Value{Text: strconv.FormatFloat(float64(math.Float32frombits(uint32(c.number(4)))), 'g', -1, 32)}
	case typeDouble:
		v = record.Value{Text: strconv.FormatFloat(math.Float64frombits(c.number(8)), 'g', -1, 64)}
	case typeDate, typeDateTime, typeTimestamp:
		v = moment(cursor{b: c.take(c.number(1))})
	case typeTime:
		v = clock(cursor{b: c.take(c.number(1))})
	default:
		if !isText(kind) {
			return v, unknownType(kind)
		}
		v = textValue(c.text(), valueLimit)
	}
	if c.short {
		return v, malformed("a value that is cut short")
	}
	return v, nil
}

// isText reports whether values of a type come as their length and their bytes.
func isText(kind byte) bool {
	return kind == typeDecimal || kind == typeVarchar || kind == typeBit || kind >= typeJSON && kind <= typeGeometry
}

// width is how many bytes an integer of the type has.
func width(kind byte) uint64 {
	switch kind {
	case typeTiny:
		return 1
	case typeShort, typeYear:
		return 2
	case typeLongLong:
		return 8
	}
	return 4
}

func integer(b []byte, unsigned bool) record.Value {
	n := bits(b)
	if unsigned || len(b) == 0 {
		return record.Value{Text: strconv.FormatUint(n, 10)}
	}
	shift := 64 - 8*len(b)
	return record.Value{Text: strconv.FormatInt(int64(n<<shift)>>shift, 10)}
}

// moment is a date, and a time of day where there is one.
func moment(c cursor) record.Value {
	all := len(c.b)
	text := fmt.Sprintf("%04d-%02d-%02d", c.number(2), c.number(1), c.number(1))
	if all > 4 {
		text += fmt.Sprintf(" %02d:%02d:%02d", c.number(1), c.number(1), c.number(1))
	}
	if all > 7 {
		text += fmt.Sprintf(".%06d", c.number(4))
	}
	return record.Value{Text: text}
}

// clock is a span of time, of days and less.
func clock(c cursor) record.Value {
	all, sign := len(c.b), ""
	if c.number(1) == 1 {
		sign = "-"
	}
	days := c.number(4)
	text := fmt.Sprintf("%s%02d:%02d:%02d", sign, days*24+c.number(1), c.number(1), c.number(1))
	if all > 8 {
		text += fmt.Sprintf(".%06d", c.number(4))
	}
	return record.Value{Text: text}
}

// textValue is text as it stands, or else hexadecimal, of at most so many bytes.
func textValue(b []byte, most int) record.Value {
	v := record.Value{}
	if len(b) > most {
		v.Cut = len(b) - most
		b = b[:most]
		for i := 0; i < utf8.UTFMax && len(b) > 0 && !utf8.Valid(b); i++ { // a character may have been cut
			b = b[:len(b)-1]
			v.Cut++
		}
	}
	if utf8.Valid(b) {
		v.Text = string(b)
		return v
	}
	v.Text, v.Binary = hex.EncodeToString(b), true
	return v
}
