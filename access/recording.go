package access

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// RecordingHold keeps the recording of a session, whatever the retention says.
type RecordingHold struct {
	Whose curfew.Principal `json:"whose"` // the person of the session
	At    time.Time        `json:"at"`
	Why   curfew.Sealed    `json:"why,omitempty"`
}

// Promise is a retention as it was in force from a moment on.
type Promise struct {
	Since time.Time     `json:"since"`
	For   time.Duration `json:"for"` // zero: for ever
}

func foldRecordings(k curfew.Kind) foldFunc {
	switch k {
	case curfew.KindRecordingHeld:
		return on(func(st *State, at time.Time, b curfew.RecordingActed) {
			if st.Holds[b.Session] == nil {
				st.Holds[b.Session] = map[curfew.Principal]RecordingHold{}
			}
			st.Holds[b.Session][b.By] = RecordingHold{Whose: b.Whose, At: at, Why: b.Why}
		})
	case curfew.KindRecordingReleased:
		return on(func(st *State, _ time.Time, b curfew.RecordingActed) {
			delete(st.Holds[b.Session], b.Of)
			if len(st.Holds[b.Session]) == 0 {
				delete(st.Holds, b.Session)
			}
		})
	case curfew.KindRecordingRemoved:
		return nothing
	}
	return nil
}

func foldRetentionChanged(st *State, at time.Time, b curfew.RetentionChanged) {
	st.Config.Retention = b.Retention
	// The slice may be shared with a state that this one was copied from.
	st.Promises = append(slices.Clip(st.Promises), Promise{Since: at, For: b.Retention.Recordings})
}

// KeptFor is how long what was recorded from a moment on is kept after its
// session's end: the longest retention that was in force at any time since; zero:
// for ever. A shorter one acts only on what is recorded under it.
func (st *State) KeptFor(opened time.Time) time.Duration {
	first := 0 // the promise in force at the opening
	for first < len(st.Promises) && !st.Promises[first].Since.After(opened) {
		first++
	}
	if first == 0 {
		return 0
	}
	var longest time.Duration
	for _, p := range st.Promises[first-1:] {
		if p.For == 0 {
			return 0
		}
		longest = max(longest, p.For)
	}
	return longest
}

// mayKeep reports whether somebody may say that a recording has to stay: people who
// are administrators or auditors.
func (st *State) mayKeep(by curfew.Principal) error {
	p := st.People[by]
	if p != nil && p.Enabled && p.Kind == curfew.Person && (st.InGroup(by, curfew.Administrators) || st.InGroup(by, curfew.Auditors)) {
		return nil
	}
	return curfew.Errorf(curfew.Denied, "only administrators and auditors hold and release recordings").WithRule("auditor")
}

// HoldRecording keeps a recording, whatever the retention says, until the hold is
// released by somebody else. The caller has found the session and whose it is.
type HoldRecording struct {
	Session curfew.SessionID
	Whose   curfew.Principal
	By      curfew.Principal
	Why     curfew.Sealed
}

func (c HoldRecording) decide(st *State, _ time.Time) ([]Fact, error) {
	if err := st.mayKeep(c.By); err != nil {
		return nil, err
	}
	if h, ok := st.Holds[c.Session][c.By]; ok {
		return nil, curfew.Errorf(curfew.Conflict, "you hold the recording of %s already, since %s", c.Session, h.At.Format("2006-01-02 15:04 MST")).WithRule("recording.held")
	}
	return []Fact{{curfew.KindRecordingHeld, curfew.RecordingActed{Session: c.Session, Whose: c.Whose, By: c.By, Why: c.Why}}}, nil
}

// ReleaseRecording takes one hold away: never who set it, and never the person
// whose session it is. Two people have to agree that evidence may go (THREATS 22).
type ReleaseRecording struct {
	Session curfew.SessionID
	By      curfew.Principal
	Of      curfew.Principal // whose hold; empty: the only one
	Why     curfew.Sealed
}

func (c ReleaseRecording) decide(st *State, now time.Time) ([]Fact, error) {
	holds := st.Holds[c.Session]
	if len(holds) == 0 {
		return nil, curfew.Errorf(curfew.NotFound, "nobody holds the recording of %s", c.Session)
	}
	if c.Of == "" {
		if len(holds) > 1 {
			return nil, curfew.Errorf(curfew.Ambiguous, "%d people hold the recording of %s", len(holds), c.Session).WithFix("say whose hold is released, with --of")
		}
		c.Of = slices.Collect(maps.Keys(holds))[0]
	}
	h, ok := holds[c.Of]
	if !ok {
		return nil, curfew.Errorf(curfew.NotFound, "this person does not hold the recording of %s", c.Session)
	}
	if why := st.whyNotRelease(h, c.Of, c.By, now); why != "" {
		return nil, curfew.Errorf(curfew.Denied, "you may not release the recording of %s: %s", c.Session, why).WithRule("recording.second").WithFix("another administrator or auditor can")
	}
	return []Fact{{curfew.KindRecordingReleased, curfew.RecordingActed{Session: c.Session, Whose: h.Whose, By: c.By, Of: c.Of, Why: c.Why}}}, nil
}

func (st *State) whyNotRelease(h RecordingHold, of, by curfew.Principal, now time.Time) string {
	settled := false
	for _, g := range []curfew.GroupName{curfew.Administrators, curfew.Auditors} {
		if since, ok := st.Since[g][by]; ok && st.isSettled(since, now) {
			settled = true
		}
	}
	switch {
	case st.mayKeep(by) != nil:
		return "only administrators and auditors may"
	case by == of:
		return "you hold it"
	case by == h.Whose:
		return "the session is yours"
	case !settled:
		return "you have been an administrator or auditor for less than " + st.Config.Settings.Settle.String()
	}
	return ""
}

// RemoveRecording decides that a recording is removed, because its retention is
// over. What is known of the session comes from the ledger, not from a list; once
// it is decided, the caller removes the file.
type RemoveRecording struct {
	Session curfew.SessionID
	Grant   curfew.GrantID
	Opened  time.Time // of the event
	Ended   time.Time // of the event
	Head    []byte
	Chunks  int
	Fault   string
}

func (c RemoveRecording) decide(st *State, now time.Time) ([]Fact, error) {
	kept, err := st.MayRemove(c, now)
	if err != nil {
		return nil, err
	}
	return []Fact{{curfew.KindRecordingRemoved, curfew.RecordingRemoved{
		Session: c.Session, Ended: c.Ended, Kept: kept, Head: c.Head, Chunks: c.Chunks, Fault: c.Fault,
	}}}, nil
}

// MayRemove says whether a recording may be removed now, and after which
// retention; curfew.Conflict: not now.
func (st *State) MayRemove(c RemoveRecording, now time.Time) (time.Duration, error) {
	stays := func(format string, args ...any) (time.Duration, error) {
		return 0, curfew.Errorf(curfew.Conflict, format, args...).WithRule("recording.kept")
	}
	if st.Sessions[c.Session] != nil || c.Ended.IsZero() || c.Ended.Before(c.Opened) {
		return stays("the session %s is not over", c.Session)
	}
	if g := st.Grants[c.Grant]; g != nil && g.Live() {
		return stays("the grant of %s is live", c.Session)
	}
	if holds := st.Holds[c.Session]; len(holds) > 0 {
		var who []string
		for _, p := range slices.Sorted(maps.Keys(holds)) {
			who = append(who, string(p))
		}
		return stays("the recording of %s is held by %s", c.Session, strings.Join(who, ", "))
	}
	if st.Restored || st.ClockStepped {
		return stays("nothing is removed before an administrator has confirmed the ledger and the clock")
	}
	kept := st.KeptFor(c.Opened)
	if kept == 0 {
		return stays("the recording of %s is kept for ever", c.Session)
	}
	if due := c.Ended.Add(kept); now.Before(due) {
		return stays("the recording of %s is kept until %s", c.Session, due.Format("2006-01-02 15:04 MST"))
	}
	return kept, nil
}
