package http

import (
	"strings"

	"github.com/curfewhq/curfew/record"
)

// Shape shows that an application was asked, by which method, and how it went; paths
// hold names and numbers, so they are no part of a shape.
func (*Engine) Shape(it record.Item) record.Item {
	switch it.Kind {
	case record.Opened, record.Notice, record.Closed, record.Broken: // our own words
	default:
		method, _, _ := strings.Cut(it.Text, " ")
		it.Text = ""
		if known(method) {
			it.Text = method + " /…"
		}
	}
	it.Values, it.Columns, it.Table, it.Left, it.Rows, it.Bytes = nil, nil, nil, 0, 0, 0
	if it.Error != "" {
		it.Error = "(hidden)"
	}
	return it
}
