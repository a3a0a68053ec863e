package history

import (
	"encoding/json"
	"slices"

	"github.com/curfewhq/curfew"
)

// Docs is where Change finds and puts what it changes.
type Docs interface {
	Load(kind, id string, into any) (bool, error)
	Save(kind, id string, doc any) error
}

// The kinds of document.
const (
	DocRequest = "request"
	DocGrant   = "grant"
	DocSession = "session"
	DocLease   = "lease" // which grant a lease is for
)

// Change takes one event into the documents and says whom it speaks of.
func Change(d Docs, e curfew.Event) (Entry, error) {
	entry := Entry{Position: e.Position, At: e.Time, Kind: e.Kind}
	var about struct {
		Principal curfew.Principal `json:"principal"`
		By        curfew.Principal `json:"by"`
		Author    curfew.Principal `json:"author"`
		Resource  json.RawMessage  `json:"resource"`
		Grant     curfew.GrantID   `json:"grant"`
		Request   curfew.RequestID `json:"request"`
		Session   curfew.SessionID `json:"session"`
		Lease     string           `json:"lease"`
	}
	if len(e.Body) > 0 && json.Unmarshal(e.Body, &about) == nil {
		entry.Grant, entry.Request, entry.Session = about.Grant, about.Request, about.Session
		for _, p := range []curfew.Principal{about.By, about.Principal, about.Author} {
			if entry.Principal == "" {
				entry.Principal = p
			}
		}
		_ = json.Unmarshal(about.Resource, &entry.Resource) // of resource.changed it is an object
	}
	if err := change(d, e, about.Lease, &entry); err != nil {
		return entry, err
	}
	return entry, fill(d, &entry)
}

// fill adds what follows from the documents: a session's grant, a grant's resource and holder.
func fill(d Docs, e *Entry) error {
	if e.Session != "" && e.Grant == "" {
		var s Session
		if _, err := d.Load(DocSession, string(e.Session), &s); err != nil {
			return err
		}
		e.Grant = s.Grant
	}
	if e.Grant != "" {
		var g Grant
		if _, err := d.Load(DocGrant, string(e.Grant), &g); err != nil {
			return err
		}
		if e.Resource == "" {
			e.Resource = g.Resource
		}
		if e.Request == "" {
			e.Request = g.Request
		}
		if e.Principal == "" {
			e.Principal = g.Principal
		}
	}
	if e.Request != "" && e.Resource == "" {
		var r Request
		if _, err := d.Load(DocRequest, string(e.Request), &r); err != nil {
			return err
		}
		e.Resource = r.Resource
	}
	return nil
}

func change(d Docs, e curfew.Event, lease string, entry *Entry) error {
	switch e.Kind {
	case curfew.KindRequestAsked:
		return with(e, func(b curfew.RequestAsked) error {
			return d.Save(DocRequest, string(b.Request), Request{RequestAsked: b, At: e.Time, Status: "pending"})
		})
	case curfew.KindRequestApproved, curfew.KindRequestDenied, curfew.KindRequestWithdrawn, curfew.KindRequestLapsed, curfew.KindRequestVoided:
		return with(e, func(b curfew.RequestActed) error { return changeRequest(d, e, b) })
	case curfew.KindGrantApproved:
		return with(e, func(b curfew.GrantApproved) error { return approved(d, e, b) })
	case curfew.KindGrantStarted, curfew.KindGrantExtended, curfew.KindGrantShortened, curfew.KindGrantEnded, curfew.KindGrantVerified:
		return edit(d, DocGrant, string(entry.Grant), func(g *Grant) error { return changeGrant(d, e, g) })
	case curfew.KindSessionOpened:
		return with(e, func(b curfew.SessionOpened) error {
			var g Grant
			if ok, err := d.Load(DocGrant, string(b.Grant), &g); err != nil {
				return err
			} else if ok {
				g.Used.Sessions++
				if err := d.Save(DocGrant, string(b.Grant), g); err != nil {
					return err
				}
			}
			return d.Save(DocSession, string(b.Session), Session{SessionOpened: b, At: e.Time, Role: g.Role, Live: true})
		})
	case curfew.KindSessionCut:
		return with(e, func(b curfew.SessionCut) error {
			return edit(d, DocSession, string(b.Session), func(s *Session) error { s.CutBy, s.CutWhy = b.By, b.Why; return nil })
		})
	case curfew.KindSessionEnded:
		return with(e, func(b curfew.SessionEnded) error {
			return edit(d, DocSession, string(b.Session), func(s *Session) error {
				s.Live, s.Ended, s.Sum = false, e.Time, &b
				return edit(d, DocGrant, string(s.Grant), func(g *Grant) error { g.Used.add(b); return nil })
			})
		})
	case curfew.KindRecordingWatched:
		return with(e, func(b curfew.RecordingWatched) error { return viewed(d, b.Session, b.By) })
	case curfew.KindRecordingsSearched, curfew.KindRecordingExported, curfew.KindRecordingHeld, curfew.KindRecordingReleased, curfew.KindRecordingRemoved:
		return changeRecording(d, e, entry.Session)
	case curfew.KindLeasePlanned, curfew.KindLeaseRefused, curfew.KindLeaseStuck, curfew.KindLeaseUsedOutside, curfew.KindLeaseVerified:
		return changeLease(d, e, lease, entry)
	}
	return nil
}

func with[T any](e curfew.Event, f func(T) error) error {
	var b T
	if err := json.Unmarshal(e.Body, &b); err != nil {
		return curfew.Wrap(curfew.Corrupt, err, "event %d (%s)", e.Position, e.Kind)
	}
	return f(b)
}

// edit changes a document that is there.
func edit[T any](d Docs, kind, id string, f func(*T) error) error {
	var doc T
	ok, err := d.Load(kind, id, &doc)
	if err != nil || !ok {
		return err
	}
	if err := f(&doc); err != nil {
		return err
	}
	return d.Save(kind, id, doc)
}

func changeRequest(d Docs, e curfew.Event, b curfew.RequestActed) error {
	return edit(d, DocRequest, string(b.Request), func(r *Request) error {
		if e.Kind == curfew.KindRequestApproved {
			r.Votes = append(r.Votes, Vote{By: b.By, At: e.Time, For: b.For, Passkey: b.Touch != nil})
			return nil
		}
		r.Status = string(e.Kind[len("request."):])
		r.DecidedBy, r.DecidedAt, r.Why, r.Cause = b.By, e.Time, b.Why, b.Cause
		return nil
	})
}

func approved(d Docs, e curfew.Event, b curfew.GrantApproved) error {
	if err := d.Save(DocGrant, string(b.Grant), Grant{GrantApproved: b, At: e.Time, Status: "scheduled"}); err != nil {
		return err
	}
	return edit(d, DocRequest, string(b.Request), func(r *Request) error { decided(r, e, b.Grant); return nil })
}

func decided(r *Request, e curfew.Event, g curfew.GrantID) {
	r.Status, r.Grant, r.DecidedAt = "approved", g, e.Time
	if n := len(r.Votes); n > 0 {
		r.DecidedBy = r.Votes[n-1].By
	}
}

func changeGrant(d Docs, e curfew.Event, g *Grant) error {
	switch e.Kind {
	case curfew.KindGrantStarted:
		return with(e, func(b curfew.GrantStarted) error {
			g.Status, g.Started, g.End, g.Bound, g.Tested = "active", e.Time, b.End, b.Bound, b.Tested
			return nil
		})
	case curfew.KindGrantExtended, curfew.KindGrantShortened:
		return with(e, func(b curfew.GrantMoved) error {
			g.End = b.End
			return edit(d, DocRequest, string(b.Request), func(r *Request) error { decided(r, e, g.Grant); return nil })
		})
	case curfew.KindGrantEnded:
		return with(e, func(b curfew.GrantEnded) error {
			g.Status, g.Cause, g.EndedBy, g.EndedAt, g.EndedWhy = "ended", b.Cause, b.By, e.Time, b.Why
			return nil
		})
	}
	g.Status, g.Verified = "verified", e.Time
	return nil
}

func (u *Used) add(b curfew.SessionEnded) {
	u.Statements += b.Statements
	u.Refused += b.Refused
	u.Rows += b.Rows
	u.Bytes += b.Bytes
	if b.Cause != curfew.CauseClosed {
		u.Cut++
	}
}

func viewed(d Docs, id curfew.SessionID, by curfew.Principal) error {
	return edit(d, DocSession, string(id), func(s *Session) error {
		if !slices.Contains(s.Viewed, by) {
			s.Viewed = append(s.Viewed, by)
		}
		return nil
	})
}

// changeRecording is what happened to a recording after it was made.
func changeRecording(d Docs, e curfew.Event, id curfew.SessionID) error {
	switch e.Kind {
	case curfew.KindRecordingsSearched: // what was shown of a recording was seen
		return with(e, func(b curfew.RecordingsSearched) error {
			for _, id := range b.Shown {
				if err := viewed(d, id, b.By); err != nil {
					return err
				}
			}
			return nil
		})
	case curfew.KindRecordingExported:
		return with(e, func(b curfew.RecordingExported) error { return viewed(d, id, b.By) })
	case curfew.KindRecordingHeld:
		return with(e, func(b curfew.RecordingActed) error {
			return edit(d, DocSession, string(id), func(s *Session) error {
				s.Held = append(s.Held, Hold{By: b.By, At: e.Time, Why: b.Why})
				return nil
			})
		})
	case curfew.KindRecordingReleased:
		return with(e, func(b curfew.RecordingActed) error {
			return edit(d, DocSession, string(id), func(s *Session) error {
				s.Held = slices.DeleteFunc(s.Held, func(h Hold) bool { return h.By == b.Of })
				return nil
			})
		})
	}
	return with(e, func(b curfew.RecordingRemoved) error {
		return edit(d, DocSession, string(id), func(s *Session) error {
			s.Removed = &Removed{At: e.Time, Kept: b.Kept, Position: e.Position}
			return nil
		})
	})
}

func changeLease(d Docs, e curfew.Event, lease string, entry *Entry) error {
	if e.Kind == curfew.KindLeasePlanned {
		return with(e, func(b curfew.LeasePlanned) error {
			if err := d.Save(DocLease, lease, b.Grant); err != nil {
				return err
			}
			return edit(d, DocGrant, string(b.Grant), func(g *Grant) error { g.Account = b.Account; return nil })
		})
	}
	if _, err := d.Load(DocLease, lease, &entry.Grant); err != nil {
		return err
	}
	return edit(d, DocGrant, string(entry.Grant), func(g *Grant) error {
		if e.Kind == curfew.KindLeaseVerified {
			return with(e, func(b curfew.LeaseVerified) error { g.Trouble, g.Kept, g.Notes = "", b.Kept, b.Notes; return nil })
		}
		return with(e, func(b curfew.LeaseTrouble) error { g.Trouble = b.What; return nil })
	})
}
