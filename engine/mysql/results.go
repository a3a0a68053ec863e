package mysql

import "github.com/curfewhq/curfew/record"

// Limits of what is recorded of results, where the policy has them recorded. What
// is beyond is counted.
const (
	resultValue   = 4 << 10   // bytes of one value
	resultRows    = 1000      // rows of one statement
	resultBytes   = 256 << 10 // bytes of one statement
	resultSession = 64 << 20  // bytes of one session
	mostColumns   = 4096      // a server's own limit of a table
)

// field is a column of a result.
type field struct {
	name     string
	kind     byte
	unsigned bool
}

// kept is what is recorded of the rows of one answer. It belongs to down.
type kept struct {
	binary      bool // rows are as the binary protocol has them
	secret      bool // the statement sets a secret: its rows are counted only
	fields      []field
	named       bool // the columns have been said
	rows, bytes int
	left        int64 // rows that are not kept, and not said yet
	table       [][]record.Value
}

// fresh begins another result of the same answer.
func (k *kept) fresh() { k.fields, k.named = nil, false }

// definition takes a ColumnDefinition41; nil stands for one that was too long to see.
func (k *kept) definition(b []byte) {
	c := cursor{b: b}
	for range 4 { // catalog, schema, table as it is called here, table
		c.text()
	}
	f := field{name: string(c.text())}
	c.text()
	c.take(1 + 2 + 4) // how long the rest is, character set, width
	f.kind = byte(c.number(1))
	f.unsigned = c.number(2)&(1<<5) != 0
	if len(k.fields) < mostColumns {
		k.fields = append(k.fields, f)
	}
}

// row takes a row, or so much of the session's room for them as it needs; nil stands for
// one that was too long to see.
func (k *kept) row(b []byte, session *int) {
	if b == nil || k.secret || k.rows >= resultRows || k.bytes+len(b) > resultBytes || *session+len(b) > resultSession {
		k.left++
		return
	}
	values, ok := k.values(b)
	if !ok {
		k.left++
		return
	}
	k.rows++
	k.bytes += len(b)
	*session += len(b)
	k.table = append(k.table, values)
}

func (k *kept) values(b []byte) (out []record.Value, ok bool) {
	c := cursor{b: b}
	var nulls []byte
	if k.binary {
		c.take(1)
		nulls = c.take(uint64(len(k.fields)+7+2) / 8)
		if c.short {
			return nil, false
		}
	}
	for i, f := range k.fields {
		v, err := record.Value{Null: true}, error(nil)
		switch {
		case k.binary && nulls[(i+2)/8]&(1<<((i+2)%8)) != 0:
		case k.binary && !isText(f.kind):
			v, err = readValue(&c, f.kind, f.unsigned)
		case !k.binary && len(c.b) > 0 && c.b[0] == localInfile: // which stands for NULL here
			c.take(1)
		default:
			v = textValue(c.text(), resultValue)
		}
		if c.short || err != nil {
			return nil, false
		}
		out = append(out, v)
	}
	return out, true
}

// item is what has been kept since the last time; nil: nothing.
func (k *kept) item(ref uint64) *record.Item {
	if len(k.table) == 0 && k.left == 0 {
		return nil
	}
	it := &record.Item{Kind: record.Result, Ref: ref, Table: k.table, Left: k.left}
	if !k.named {
		for _, f := range k.fields {
			it.Columns = append(it.Columns, f.name)
		}
		k.named = true
	}
	k.table, k.left = nil, 0
	return it
}
