package evidence

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// story is what the events say, as far as the session rests on it.
type story struct {
	opened, granted, started, asked bool
	requests                        []curfew.RequestID
	questions                       map[curfew.RequestID]question
	passkeys                        map[string]addedPasskey
	export                          curfew.Event // the last one
	exported                        curfew.RecordingExported
}

// checkStory reads the events one after the other: they have to be those of the
// session that the header names, all of those that the export's own event lists,
// and fit together.
func (v *verifying) checkStory() error {
	whole := func(format string, args ...any) error { return fault{fmt.Sprintf(format, args...), true} }
	if len(v.events) == 0 {
		return whole("the file has no events")
	}
	s, r := &v.story, &v.report
	s.questions, s.passkeys = map[curfew.RequestID]question{}, map[string]addedPasskey{}
	s.export = v.events[len(v.events)-1]
	x := &s.exported
	if s.export.Kind != curfew.KindRecordingExported || json.Unmarshal(s.export.Body, x) != nil {
		return whole("the last event is not the export's own: events were removed")
	}
	if x.Session != v.head.Session {
		return whole("the header says that the file is of the session %.40s, and it was exported from %s", v.head.Session, x.Session)
	}
	if x.Shapes != v.head.Shapes {
		return whole("the header was edited: it says otherwise than the ledger whether values were exported")
	}
	r.By, r.Exported = x.By, s.export.Time
	var have []uint64
	for _, e := range v.events[:len(v.events)-1] {
		have = append(have, e.Position)
	}
	for _, p := range x.Events {
		if !slices.Contains(have, p) {
			return whole("event %d was removed", p)
		}
	}
	for _, p := range have {
		if !slices.Contains(x.Events, p) {
			return whole("event %d was inserted: it is in the ledger, and was not exported with this session", p)
		}
	}
	for _, e := range v.events {
		if err := v.tell(e); err != nil {
			return whole("event %d (%s) does not fit: %s", e.Position, e.Kind, err)
		}
	}
	if !s.asked || !s.granted || !s.started || !s.opened {
		return whole("the events do not tell how the session came about: its request, its grant or its opening is missing")
	}
	if !x.Shapes {
		v.anchors = append(v.anchors, anchor{x.Head, s.export.Time, s.export.Position})
	}
	return nil
}

type tellError string

func (e tellError) Error() string { return string(e) }

// as decodes an event's body.
func as[T any](e curfew.Event, f func(T) error) error {
	var b T
	if err := json.Unmarshal(e.Body, &b); err != nil {
		return tellError("its body cannot be read")
	}
	return f(b)
}

// tell takes one event into the report.
func (v *verifying) tell(e curfew.Event) error {
	s, r := &v.story, &v.report
	switch e.Kind {
	case curfew.KindRequestAsked:
		return as(e, func(b curfew.RequestAsked) error {
			s.asked = true
			s.requests = append(s.requests, b.Request)
			s.questions[b.Request] = question{ledger.LeafHash(e), b, b.Duration}
			return nil
		})
	case curfew.KindRequestApproved:
		return as(e, func(b curfew.RequestActed) error {
			if !slices.Contains(s.requests, b.Request) {
				return tellError("it approves another request")
			}
			q := s.questions[b.Request]
			q.most = min(q.most, b.For)
			s.questions[b.Request] = q
			if !slices.Contains(r.Approved, b.By) {
				r.Approved = append(r.Approved, b.By)
			}
			return v.touched(e, b, curfew.ActApprove)
		})
	case curfew.KindRequestDenied:
		return as(e, func(b curfew.RequestActed) error { return v.touched(e, b, curfew.ActDeny) })
	case curfew.KindPasskeyAdded:
		return as(e, func(b curfew.PasskeyAdded) error {
			s.passkeys[string(b.Passkey.ID)] = addedPasskey{b.Passkey, e.Position}
			return nil
		})
	case curfew.KindGrantApproved:
		return as(e, func(b curfew.GrantApproved) error {
			if s.granted || !slices.Contains(s.requests, b.Request) {
				return tellError("nobody asked for this grant")
			}
			if q := s.questions[b.Request]; b.Principal != q.asked.Principal || b.Role != q.asked.Role || b.Resource != q.asked.Resource || b.Duration > q.most {
				return tellError("the grant is not what was asked for and agreed to")
			}
			s.granted, r.Grant, r.Role, r.Principal, r.Resource = true, b.Grant, b.Role, b.Principal, b.Resource
			return nil
		})
	case curfew.KindGrantStarted:
		return as(e, func(b curfew.GrantStarted) error {
			if !s.granted || b.Grant != r.Grant {
				return tellError("it starts another grant")
			}
			s.started = true
			return nil
		})
	case curfew.KindSessionOpened:
		return as(e, func(b curfew.SessionOpened) error {
			if s.opened || !s.started || b.Session != v.head.Session || b.Grant != r.Grant || b.Principal != r.Principal || b.Resource != r.Resource {
				return tellError("it opens another session, or under another grant")
			}
			s.opened, r.Opened = true, e.Time
			return nil
		})
	case curfew.KindSessionEnded:
		return as(e, func(b curfew.SessionEnded) error {
			if !s.opened || b.Session != v.head.Session {
				return tellError("it ends another session")
			}
			r.Ended, r.Cause = e.Time, b.Cause
			return nil
		})
	case curfew.KindRecordingsAnchored:
		h := anchored(e, v.head.Session)
		if h == nil {
			return tellError("it says nothing of this recording")
		}
		if !v.head.Shapes {
			v.anchors = append(v.anchors, anchor{h, e.Time, e.Position})
		}
	}
	return nil
}
