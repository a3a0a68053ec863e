package postgres

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/curfewhq/curfew/record"
)

// cut bounds a text and says how much is left out.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "… (" + strconv.Itoa(len(s)-most) + " more bytes)"
}

// secretive reports whether a statement sets a secret: its literals are masked.
func secretive(text string) bool {
	return mentions(text, "password", "user mapping", "dblink", "subscription", "pg_authid", "pg_shadow", "user_mapping")
}

// mentions reports whether any of the words, which are lower-case ASCII, is in the
// text, however it is spelled. It stands on the path of every statement.
func mentions(text string, words ...string) bool {
	for i := range len(text) {
		for _, w := range words {
			if text[i]|0x20 == w[0] && len(text)-i >= len(w) && strings.EqualFold(text[i:i+len(w)], w) {
				return true
			}
		}
	}
	return false
}

// statementItem is a statement as the recording keeps it.
func statementItem(ref uint64, text string, values []record.Value, secret bool) record.Item {
	if secret {
		text = shape(text)
		for i := range values {
			if !values[i].Null {
				values[i] = record.Value{Text: "***"}
			}
		}
	}
	return record.Item{Kind: record.Statement, Ref: ref, Text: cut(text, textLimit), Values: values}
}
