package access

import (
	"time"

	"github.com/curfewhq/curfew"
)

// Fact is an event that has been decided and not yet been appended.
type Fact struct {
	Kind curfew.Kind
	Body any
}

// Command is something that somebody wants. Deciding is pure: it reads the
// state and now, and returns what happens or a refusal; it changes nothing.
// Identifiers that a decision may need come with the command.
type Command interface {
	decide(st *State, now time.Time) ([]Fact, error)
}

// takesAway is a Command that may take access away. Where it does, it acts before
// it is written (THREATS 13).
type takesAway interface {
	Command
	takesAway() bool
}

// happened is a Command that says what has happened: it is tried until it is written.
type happened interface {
	Command
	happened()
}

func (st *State) mustBeAdmin(by curfew.Principal, what string) error {
	if st.proved || st.Enabled(by) && st.InGroup(by, curfew.Administrators) && st.People[by].Kind == curfew.Person {
		return nil
	}
	return curfew.Errorf(curfew.Denied, "only an administrator may %s", what).WithRule("administrator")
}

func (st *State) mustBeEnabled(by curfew.Principal) error {
	if st.Enabled(by) {
		return nil
	}
	return curfew.Errorf(curfew.Denied, "this person is not known or disabled").WithRule("principal.disabled")
}
