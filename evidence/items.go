package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/curfewhq/curfew/record"
)

// items reads the items that stand here, and compares them with those of the chunk
// before them.
func (v *verifying) items() error {
	number := v.report.Items
	for {
		if v.chain != nil && len(v.expected) == 0 {
			return v.noMore(number)
		}
		kind, err := v.lines.next()
		if errors.Is(err, io.EOF) {
			return bad("the file was cut short after item %d", number)
		}
		if err != nil {
			return err
		}
		if kind != "item" {
			v.lines.back()
			return nil
		}
		var it record.Item
		if v.chain != nil {
			it = v.expected[0]
		} else if err := json.Unmarshal(v.lines.value, &it); err != nil {
			return bad("item %d cannot be read", number+1)
		}
		line := appendItem(nil, &it)
		if !bytes.Equal(v.lines.line, line) {
			return v.how(number + 1)
		}
		_, _ = v.digest.Write(line) // never fails
		if v.chain != nil {
			v.expected = v.expected[1:]
		}
		number++
		v.report.Items = number
		v.report.Closed = it.Kind == record.Closed
		if v.checks.Item != nil {
			if err := v.checks.Item(it); err != nil {
				return err
			}
		}
	}
}

// noMore sees that nothing was added after the last item of a chunk.
func (v *verifying) noMore(number int) error {
	kind, err := v.lines.next()
	if errors.Is(err, io.EOF) {
		return nil // the caller says so
	}
	if err != nil {
		return err
	}
	if kind == "item" {
		return bad("an item was inserted after item %d", number)
	}
	v.lines.back()
	return nil
}

// how says what was done to an item that is not the one that was recorded.
func (v *verifying) how(number int) error {
	if v.chain == nil {
		return bad("item %d was edited: it is not as an item is written", number)
	}
	is := func(i int) bool {
		return i < len(v.expected) && bytes.Equal(v.lines.line, appendItem(nil, &v.expected[i]))
	}
	for i := 1; i < len(v.expected); i++ {
		if !is(i) {
			continue
		}
		// A later one stands here: whether those before it come after it tells a
		// removal from a move.
		first := appendItem(nil, &v.expected[0])
		for {
			kind, err := v.lines.next()
			if err != nil || kind != "item" {
				return bad("item %d was removed", number)
			}
			if bytes.Equal(v.lines.line, first) {
				return bad("item %d was moved: item %d stands in its place", number, number+i)
			}
		}
	}
	first := appendItem(nil, &v.expected[0])
	if kind, err := v.lines.next(); err == nil && kind == "item" && bytes.Equal(v.lines.line, first) {
		return bad("an item was inserted before item %d", number)
	}
	return bad("item %d was edited: it is not what was recorded", number)
}
