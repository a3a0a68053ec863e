package mysql

import (
	"encoding/binary"
	"strings"

	"github.com/curfewhq/curfew/record"
)

// warn tells the client that there is a warning, in the count that its answer ends
// with: the protocol has no other word for it. Where the target has warnings of its
// own it waits for an answer without any, so that SHOW WARNINGS hides none.
func (r *relay) warn(count []byte) error {
	due := r.s.Notice()
	if due == nil {
		return nil
	}
	n := soon(r.s.Permit(), due.End, due.Left, due.Moved)
	if err := r.s.Observe(record.Item{Kind: record.Notice, Text: n.String()}); err != nil {
		return err
	}
	binary.LittleEndian.PutUint16(count, 1)
	r.warned = sentence(n.Line, n.Detail, n.Hint)
	return nil
}

// asksForWarnings reports whether a text is SHOW WARNINGS, as clients send it that
// have seen the count.
func asksForWarnings(text []byte) bool {
	if len(text) > 64 {
		return false
	}
	words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(string(text)), ";"))
	return len(words) == 2 && strings.EqualFold(words[0], "show") && strings.EqualFold(words[1], "warnings")
}

// warnings is the answer to SHOW WARNINGS: a result of one row.
func warnings(text string) [][]byte {
	eof := []byte{eofHeader, 0, 0, autocommit, 0}
	out := [][]byte{{3}}
	for _, name := range []string{"Level", "Code", "Message"} {
		out = append(out, column(name))
	}
	row := appendText(appendText(appendText(nil, "Warning"), itoa(errDisconnected)), text)
	return append(out, eof, row, eof)
}

// typeVarString is the type of a column that is text (protocol, "Column Type").
const typeVarString = 0xfd

// column is a ColumnDefinition41 of a text.
func column(name string) []byte {
	b := appendText(nil, "def")
	for _, s := range []string{"", "", "", name, name} {
		b = appendText(b, s)
	}
	b = append(b, 0x0c)
	b = binary.LittleEndian.AppendUint16(b, utf8mb4)
	b = binary.LittleEndian.AppendUint32(b, 4*wordsLimit)
	return append(b, typeVarString, 0, 0, 0, 0, 0)
}
