package curfew

import "time"

// Release says which statements wait in their session until a second person, who
// sees exactly what would be sent, lets them go on. The zero value holds none.
type Release struct {
	Statements []StatementClass `json:"statements,omitempty"`
	By         ApprovalNeed     `json:"by,omitzero"`
	Within     time.Duration    `json:"within,omitempty"` // a statement nobody releases lapses after this
}

// Some reports whether anything is held.
func (r Release) Some() bool { return len(r.Statements) > 0 }

// LongestHold bounds how long a statement may wait: its connection, and the locks
// of its transaction, wait with it.
const LongestHold = time.Hour

// StatementClass is a kind of statement that a policy may hold. An engine that can
// hold says what belongs to which.
type StatementClass string

// The classes.
const (
	ClassDDL                StatementClass = "ddl"                  // whatever makes, changes or removes objects and accounts
	ClassDrop               StatementClass = "drop"                 // removing them
	ClassTruncate           StatementClass = "truncate"             // emptying tables
	ClassGrant              StatementClass = "grant"                // giving and taking rights, ownership, memberships
	ClassDelete             StatementClass = "delete"               // removing rows, whichever
	ClassDeleteWithoutWhere StatementClass = "delete-without-where" // removing rows without a condition that looks at them
	ClassUpdate             StatementClass = "update"               // changing rows, whichever
	ClassUpdateWithoutWhere StatementClass = "update-without-where" // changing rows without a condition that looks at them
	ClassInsert             StatementClass = "insert"               // adding rows
	ClassMerge              StatementClass = "merge"                // MERGE
	ClassCopyIn             StatementClass = "copy-in"              // rows from the client, in bulk
	ClassCopyOut            StatementClass = "copy-out"             // rows to the client, in bulk
	ClassCopyProgram        StatementClass = "copy-program"         // files and programs of the server
	// ClassCode is what nobody can see into: DO, CALL, functions of the target's own,
	// prepared statements and cursors that are not known. Held wherever anything is.
	ClassCode StatementClass = "code"
	// ClassUnknown is what cannot be classified. Held wherever anything is.
	ClassUnknown StatementClass = "unknown"
)

// StatementClasses lists those that a policy may name.
func StatementClasses() []StatementClass {
	return []StatementClass{
		ClassDDL, ClassDrop, ClassTruncate, ClassGrant, ClassDelete, ClassDeleteWithoutWhere, ClassUpdate, ClassUpdateWithoutWhere,
		ClassInsert, ClassMerge, ClassCopyIn, ClassCopyOut, ClassCopyProgram, ClassCode, ClassUnknown,
	}
}

// Holds lists those of the classes that wait: what the rule names, and whatever
// cannot be seen into or classified.
func (r Release) Holds(classes []StatementClass) (out []StatementClass) {
	if !r.Some() {
		return nil
	}
	for _, c := range classes {
		held := c == ClassCode || c == ClassUnknown
		for _, named := range r.Statements {
			held = held || c == named
		}
		if held {
			out = append(out, c)
		}
	}
	return out
}
