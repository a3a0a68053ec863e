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

// retryEvery is how often what has happened and is not written is tried again.
const retryEvery = time.Second

// takeTurns decides what is queued, batch by batch, until ctx ends or the ledger
// cannot be trusted.
func (s *Service) takeTurns(ctx context.Context) {
	defer close(s.stopped)
	again := time.NewTicker(retryEvery)
	defer again.Stop()
	for {
		var batch []*job
		select {
		case <-ctx.Done():
			return
		case <-s.shut:
			return
		case <-again.C:
			if len(s.unwritten) == 0 {
				continue
			}
		case <-s.poke:
		case j := <-s.queue:
			batch = append(batch, j)
		}
		batch = append(s.takeFirst(), batch...)
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

// turn is one turn: catch up, decide in order on the tentative state, append,
// fold into the state that readers see, answer.
func (s *Service) turn(ctx context.Context, batch []*job) {
	s.turning.Store(time.Now().UnixNano())
	defer s.turning.Store(0)
	var drafts []ledger.Draft
	var events []curfew.Event
	err := s.parts.Ledger.Turn(ctx, func(t ledger.Turn) error {
		if err := s.catchUp(ctx, t.Head().Size); err != nil {
			return err
		}
		at := later(time.Now(), s.tentative.Now)
		for _, a := range s.unwritten {
			if _, err := s.decideActed(a, at, &drafts); err != nil {
				return err
			}
		}
		for _, j := range batch {
			if !j.take() {
				continue
			}
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
	for _, a := range s.unwritten {
		s.written(a)
	}
	s.unwritten = nil
	for _, j := range batch {
		if !j.taken {
			continue
		}
		if j.acted != nil {
			s.written(j.acted)
		}
		if j.err == nil {
			j.receipt = Receipt{Position: s.tentative.Size, Written: true, Events: events[j.first : j.first+j.drafts]}
		}
		s.answer(j)
	}
}

// answer wakes whoever waits. A permit that nobody waits for any more is closed:
// it would live on.
func (s *Service) answer(j *job) {
	waited := j.answered()
	close(j.done)
	if waited || j.permit == nil {
		return
	}
	j.permit.end(Ended{Cause: curfew.CauseLedger, At: time.Now()})
	s.unregister(j.permit)
	s.pushFirst(newJob(EndSession{SessionEnded: curfew.SessionEnded{Session: j.permit.session, Cause: curfew.CauseLedger}}))
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
	j.first = len(*drafts)
	if j.acted != nil {
		var err error
		j.err, err = s.decideActed(j.acted, at, drafts)
		j.drafts = len(*drafts) - j.first
		return err
	}
	facts, err := j.command.decide(s.tentative, at)
	if err != nil {
		j.err = err
		return nil
	}
	if err := s.draft(s.tentative.andVerified(facts), at, drafts); err != nil {
		return err
	}
	j.drafts = len(*drafts) - j.first
	s.shutGates(barsOf(facts, at))
	if j.open {
		return s.makePermit(j, facts)
	}
	return nil
}

// decideActed decides again what has acted, or happened, on the state as it is now.
func (s *Service) decideActed(a *acted, at time.Time, drafts *[]ledger.Draft) (refusal, err error) {
	facts, refusal := a.again(s.tentative, at)
	if refusal != nil {
		return refusal, nil
	}
	if err := s.draft(s.tentative.andVerified(facts), at, drafts); err != nil {
		return nil, err
	}
	s.shutGates(barsOf(facts, at))
	return nil, nil
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
		curfew.KindStatementRefused, curfew.KindLeaseUsedOutside, curfew.KindLeaseStuck, curfew.KindLeaseVerified:
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

// findOut reads what became of an append whose outcome is unknown. Until that is
// known nothing else can be decided; those who wait are told so meanwhile (await).
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
			return nil, unknown(err, "the gateway is stopping, and the ledger has not said whether this was decided")
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

// failed throws the tentative state away and answers everybody. What has acted or
// happened is written as soon as anything can be.
func (s *Service) failed(batch []*job, err error) {
	s.log.Warn("the ledger could not be written", "err", err)
	for _, j := range batch {
		if !j.taken && !j.take() {
			continue // nobody waits for it any more
		}
		if j.permit != nil {
			j.permit.end(Ended{Cause: curfew.CauseLedger, At: time.Now()})
			s.unregister(j.permit)
		}
		switch {
		case j.acted != nil:
			s.unwritten = append(s.unwritten, j.acted)
			j.late, j.err = true, curfew.Wrap(curfew.Unavailable, err, "the ledger could not be written yet; it is tried again").WithRule("ledger.unwritten")
		case isUnknown(err):
			j.err = err
		case j.err == nil:
			j.err = curfew.Wrap(curfew.Unavailable, err, "the ledger could not be written; nothing was decided").WithRule("ledger.failed").
				WithFix("try again; curfew doctor says what is wrong with the ledger")
		}
		j.permit = nil
		s.answer(j)
	}
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
