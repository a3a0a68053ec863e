package access

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/ledger"
)

// mostInBatch bounds the commands of one turn.
const mostInBatch = 4096

// job is a command on its way through a turn.
type job struct {
	command Command
	open    bool // makes a permit
	away    bool // has acted already
	permit  *Permit
	drafts  int // how many of the batch's events are this job's
	first   int
	receipt Receipt
	err     error
	done    chan struct{}
}

func newJob(c Command) *job { return &job{command: c, done: make(chan struct{})} }

// takeTurns decides what is queued, batch by batch, until ctx ends.
func (s *Service) takeTurns(ctx context.Context) {
	defer close(s.stopped)
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-s.queue:
			batch := []*job{j}
			for len(batch) < mostInBatch {
				select {
				case j := <-s.queue:
					batch = append(batch, j)
					continue
				default:
				}
				break
			}
			s.turn(ctx, batch)
		}
	}
}

// turn is one turn: catch up, decide in order on the tentative state, append,
// fold into the state that readers see, answer.
func (s *Service) turn(ctx context.Context, batch []*job) {
	var drafts []ledger.Draft
	var events []curfew.Event
	err := s.parts.Ledger.Turn(ctx, func(t ledger.Turn) error {
		if err := s.catchUp(ctx, t.Head().Size); err != nil {
			return err
		}
		at := later(time.Now(), s.tentative.Now)
		s.retryUnwritten(at, &drafts)
		for _, j := range batch {
			if err := s.decideJob(j, at, &drafts); err != nil {
				return err
			}
		}
		if len(drafts) == 0 {
			return nil
		}
		var err error
		events, _, err = t.Append(at, drafts)
		return err
	})
	if errors.Is(err, ledger.ErrUnknown) {
		events, err = s.findOut(ctx, drafts)
	}
	if err != nil {
		s.failed(batch, err)
		return
	}
	s.publish(events)
	s.unwritten = nil
	s.late.Store(false)
	s.arrived(batch)
	for _, j := range batch {
		if j.err == nil {
			j.receipt = Receipt{Position: s.tentative.Size, Written: true, Events: events[j.first : j.first+j.drafts]}
		}
		close(j.done)
	}
}

// arrived counts the commands that had acted before, and clears the reserve once
// all of them are written.
func (s *Service) arrived(batch []*job) {
	for _, j := range batch {
		if j.away {
			s.away.Add(-1)
		}
	}
	s.keepMu.Lock()
	defer s.keepMu.Unlock()
	if s.parts.Reserve == nil || s.late.Load() || s.away.Load() != 0 {
		return
	}
	if err := s.parts.Reserve.Clear(); err != nil {
		s.log.Error("the reserve could not be cleared", "err", err)
	}
}

// catchUp folds what others have appended.
func (s *Service) catchUp(ctx context.Context, head uint64) error {
	for s.tentative.Size < head {
		events, err := s.parts.Ledger.Read(ctx, s.tentative.Size+1, 4096)
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return curfew.Errorf(curfew.Corrupt, "the ledger ends at %d, its head says %d", s.tentative.Size, head)
		}
		for _, e := range events {
			if err := s.tentative.Fold(e); err != nil {
				return err
			}
		}
		s.publish(events)
	}
	return nil
}

// decideJob decides one command and folds what it decided into the tentative
// state. A refusal is the job's; an error is a bug, and the batch's.
func (s *Service) decideJob(j *job, at time.Time, drafts *[]ledger.Draft) error {
	facts, err := j.command.decide(s.tentative, at)
	if err != nil {
		j.err = err
		return nil
	}
	j.first = len(*drafts)
	if err := s.draft(s.tentative.andVerified(facts), at, drafts); err != nil {
		return err
	}
	j.drafts = len(*drafts) - j.first
	s.shutGates(facts, at)
	if j.open {
		return s.makePermit(j, facts)
	}
	return nil
}

func (s *Service) draft(facts []Fact, at time.Time, drafts *[]ledger.Draft) error {
	for _, f := range facts {
		body, err := json.Marshal(f.Body)
		if err != nil {
			return curfew.Wrap(curfew.Internal, err, "encode %s", f.Kind)
		}
		e := curfew.Event{Position: s.tentative.Size + 1, Time: at, Kind: f.Kind, Body: body}
		if err := s.tentative.Fold(e); err != nil {
			return err
		}
		*drafts = append(*drafts, ledger.Draft{Kind: f.Kind, Body: body, Urgent: endsAccess(f.Kind)})
	}
	return nil
}

// endsAccess reports whether an event may use the room that is kept on disk for
// ends and alarms.
func endsAccess(k curfew.Kind) bool {
	switch k {
	case curfew.KindGrantEnded, curfew.KindGrantShortened, curfew.KindGrantVerified, curfew.KindSessionCut, curfew.KindSessionEnded,
		curfew.KindPrincipalDisabled, curfew.KindPrincipalSignedOut, curfew.KindTokenWithdrawn, curfew.KindWorkflowClosed,
		curfew.KindLeaseUsedOutside, curfew.KindLeaseStuck, curfew.KindLeaseVerified:
		return true
	}
	return false
}

// makePermit registers the permit while the turn lasts.
func (s *Service) makePermit(j *job, facts []Fact) error {
	opened := facts[len(facts)-1].Body.(curfew.SessionOpened)
	g := s.tentative.Grants[opened.Grant]
	may, err := s.tentative.Permission(g.Role)
	if err != nil {
		return err
	}
	p := newPermit(opened.Session, *g, s.tentative.Config.Resources[g.Resource], may, time.Now(), g.End)
	p.client, p.program = opened.Client, opened.Program
	s.register(p)
	j.permit = p
	return nil
}

// publish folds durable events into the state that readers see, and lets them
// act: permits end and move, deadlines are set.
func (s *Service) publish(events []curfew.Event) {
	if len(events) == 0 {
		return
	}
	s.mu.Lock()
	for _, e := range events {
		if err := s.state.Fold(e); err != nil {
			s.mu.Unlock()
			s.log.Error("an event could not be folded; no more access is given", "position", e.Position, "err", err)
			s.close(err, curfew.CauseLedger)
			return
		}
	}
	s.state.rules()
	s.mu.Unlock()
	s.folded.Set(events[len(events)-1].Position)
	for _, e := range events {
		s.act(e)
	}
}

// findOut reads what became of an append whose outcome is unknown.
func (s *Service) findOut(ctx context.Context, drafts []ledger.Draft) ([]curfew.Event, error) {
	var from uint64
	s.View(func(st *State) { from = st.Size + 1 })
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		events, err := s.parts.Ledger.Read(ctx, from, len(drafts)+1)
		if err == nil {
			return settle(events, drafts)
		}
		select {
		case <-ctx.Done():
			return nil, curfew.Wrap(curfew.Unavailable, err, "read the ledger")
		case <-time.After(wait):
		}
	}
}

// settle compares what the ledger holds with what was to be appended.
func settle(events []curfew.Event, drafts []ledger.Draft) ([]curfew.Event, error) {
	if len(events) == 0 {
		return nil, curfew.Errorf(curfew.Unavailable, "the ledger did not take the batch")
	}
	if len(events) != len(drafts) {
		return nil, curfew.Errorf(curfew.Corrupt, "the ledger holds %d events of a batch of %d", len(events), len(drafts))
	}
	for i, e := range events {
		if e.Kind != drafts[i].Kind || string(e.Body) != string(drafts[i].Body) {
			return nil, curfew.Errorf(curfew.Corrupt, "the ledger holds another event at %d", e.Position)
		}
	}
	return events, nil
}

// failed throws the tentative state away and answers everybody. Ends that have
// acted are kept and written first as soon as anything can be.
func (s *Service) failed(batch []*job, err error) {
	for _, j := range batch {
		if j.permit != nil {
			j.permit.end(Ended{Cause: curfew.CauseLedger, At: time.Now()})
			s.unregister(j.permit)
		}
		if _, ok := j.command.(takesAway); ok && j.err == nil {
			s.keepUnwritten(j)
			s.late.Store(true)
			j.receipt = Receipt{Written: false}
			close(j.done)
			continue
		}
		if j.err == nil {
			j.err = curfew.Wrap(curfew.Unavailable, err, "the ledger could not be written")
		}
		close(j.done)
	}
	s.arrived(batch)
	s.mu.RLock()
	again, cloneErr := s.state.clone()
	s.mu.RUnlock()
	if cloneErr != nil || curfew.CodeOf(err) == curfew.Corrupt {
		s.log.Error("the ledger cannot be trusted; no more access is given", "err", err)
		s.close(err, curfew.CauseLedger)
	}
	if cloneErr == nil {
		s.tentative = again
	}
}

// keepUnwritten remembers what a command that has acted decided.
func (s *Service) keepUnwritten(j *job) {
	now := later(time.Now(), s.tentative.Now)
	s.mu.RLock()
	facts, err := j.command.decide(s.state, now)
	s.mu.RUnlock()
	if err == nil {
		s.unwritten = append(s.unwritten, facts...)
	}
}

// retryUnwritten puts the ends that could not be written first into this batch.
func (s *Service) retryUnwritten(at time.Time, drafts *[]ledger.Draft) {
	var facts []Fact
	for _, f := range s.unwritten {
		if e, ok := f.Body.(curfew.GrantEnded); ok {
			if g := s.tentative.Grants[e.Grant]; g == nil || !g.Live() {
				continue
			}
		}
		facts = append(facts, f)
	}
	if err := s.draft(facts, at, drafts); err != nil {
		s.log.Error("a kept end could not be written", "err", err)
	}
}
