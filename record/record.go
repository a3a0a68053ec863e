// Package record keeps what sessions said: written in order, encrypted,
// hash-chained, read back, followed live. It never judges, and it never lets a
// session go on that it cannot record.
package record

import "time"

// Item is one thing that was said or done in a session.
type Item struct {
	At     time.Time `json:"at"` // set by the writer when zero
	Kind   Kind      `json:"kind"`
	Ref    uint64    `json:"ref,omitempty"`  // ties an outcome to its statement; counts from 1 in a session
	Text   string    `json:"text,omitempty"` // statement, or what was refused, or a notice
	Values []Value   `json:"values,omitempty"`
	// Columns and Table are the rows of a Result; Left is how many more were not kept.
	Columns []string      `json:"columns,omitempty"`
	Table   [][]Value     `json:"table,omitempty"`
	Left    int64         `json:"left,omitempty"`
	Tag     string        `json:"tag,omitempty"`   // "UPDATE 38"
	Rows    int64         `json:"rows,omitempty"`  // rows returned or changed
	Bytes   int64         `json:"bytes,omitempty"` // bytes carried for it, both ways
	Took    time.Duration `json:"took,omitempty"`
	Error   string        `json:"error,omitempty"` // the target's or our refusal
	Code    string        `json:"code,omitempty"`  // SQLSTATE and its kin
}

// Kind says what an Item is.
type Kind string

// The kinds of item.
const (
	Opened    Kind = "opened"
	Statement Kind = "statement" // before it is sent
	Outcome   Kind = "outcome"   // of the statement with the same Ref
	// Result is what the target answered to the statement with the same Ref, where
	// the policy has results recorded. There may be several, and then no Outcome yet.
	Result   Kind = "result"
	Prepared Kind = "prepared" // sent to be prepared; it is recorded again when it is executed
	Refused  Kind = "refused"  // never sent
	// Held waits for somebody's release; nothing of it is sent. Code is its identifier,
	// Tag the salt of its digest.
	Held   Kind = "held"
	Notice Kind = "notice" // what Curfew told the client
	Cancel Kind = "cancel"
	// Output is what the program that the statement with the same Ref started has shown, on a
	// terminal or, where the policy has results recorded, elsewhere: raw, for an emulator, never
	// for a terminal. Input is what was typed to it and shown; Resize its terminal's new
	// size, "80x24", which at first is the statement's Tag.
	Output Kind = "output"
	Input  Kind = "input"
	Resize Kind = "resize"
	Closed Kind = "closed"
	// Broken ends a recording whose gateway ended first: Text says what may be
	// missing. Its Code is "journal" if more is missing, or may be, than a crash can cost.
	Broken Kind = "broken"
)

// Value is a bound value, or one of a result. Text is what a person reads; Null and Binary say what it was.
type Value struct {
	Text   string `json:"text,omitempty"`
	Null   bool   `json:"null,omitempty"`
	Binary bool   `json:"binary,omitempty"` // Text is hexadecimal
	Cut    int    `json:"cut,omitempty"`    // bytes left out beyond the limit
}

// Writer is the recording of one session. Safe for use by several goroutines.
type Writer interface {
	// Write records the item. In mode live it returns once the item is in the
	// session's ordered queue, and waits while the recorder is behind its bound;
	// in mode first it returns once the item is durable. After an error
	// everything fails: the session must end.
	Write(Item) error
	// OnFail calls f once, at once and from anywhere, if the recording fails by itself:
	// a session that writes nothing must end too. f must not wait.
	OnFail(f func(error))
	// Close writes the last item and seals the recording; it waits until durable.
	Close(Item) error
}
