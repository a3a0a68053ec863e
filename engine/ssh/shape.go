package ssh

import (
	"strings"

	"github.com/curfewhq/curfew/record"
)

// Shape shows what was done without what it was done to: a command's program, what
// a file request was, how long it took and how it ended; nothing typed and nothing shown.
func (*Engine) Shape(it record.Item) record.Item {
	switch it.Kind {
	case record.Opened, record.Notice, record.Closed, record.Broken, record.Resize: // our own words
		return it
	case record.Cancel: // a signal's name
	case record.Statement, record.Refused:
		it.Text = shape(it.Text)
	default:
		it.Text = ""
	}
	if word, _, _ := strings.Cut(it.Tag, " "); word != "exit" && word != "signal" && it.Kind != record.Statement {
		it.Tag = "" // a hash tells content to whoever can guess it
	}
	if it.Error != "" {
		it.Error = "(hidden)"
	}
	it.Values, it.Columns, it.Table, it.Left = nil, nil, nil, 0
	it.Rows, it.Bytes = 0, 0
	return it
}

// shape is the first word of a command, where that is nothing but a program's name.
func shape(text string) string {
	word, rest, more := strings.Cut(strings.TrimSpace(text), " ")
	if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-+/") != "" {
		return "?"
	}
	if more && rest != "" {
		return word + " ?"
	}
	return word
}
