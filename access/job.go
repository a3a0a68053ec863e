package access

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
)

// answerBound is how long anybody waits for a decision.
const answerBound = 5 * time.Second

// job is a command on its way through a turn.
type job struct {
	command Command
	acted   *acted // it has acted, or says what happened; nil: it gives, and waits
	open    bool   // makes a permit
	done    chan struct{}
	stage   atomic.Int32

	// Owned by the goroutine that takes turns, until done is closed.
	taken   bool
	permit  *Permit
	drafts  int // how many of the batch's events are this job's
	first   int
	late    bool // it could not be written yet, and is tried again
	receipt Receipt
	err     error
}

// The stages of a job. Whoever waits may leave it: before it is taken, nothing
// comes of it; afterwards nobody knows what does.
const (
	waiting int32 = iota
	taken
	left
	over
)

func newJob(c Command) *job {
	j := &job{command: c, done: make(chan struct{})}
	if _, ok := c.(happened); ok {
		j.acted = &acted{command: c}
	}
	return j
}

// take begins to decide the job; false if it was left.
func (j *job) take() bool {
	j.taken = j.stage.CompareAndSwap(waiting, taken)
	return j.taken
}

// answered ends it; false if it was left.
func (j *job) answered() bool { return j.stage.CompareAndSwap(taken, over) }

// leave stops waiting, and says what is known of the job.
func (j *job) leave(cause error) error {
	if j.acted != nil {
		return curfew.Wrap(curfew.Unavailable, cause, "it is not in the ledger yet; it is written as soon as the ledger answers").WithRule("ledger.unwritten")
	}
	if j.stage.CompareAndSwap(waiting, left) {
		return curfew.Wrap(curfew.Unavailable, cause, "the ledger did not answer in time; nothing was decided").WithRule("ledger.silent").
			WithFix("try again; curfew doctor says what is wrong with the ledger")
	}
	if j.stage.CompareAndSwap(taken, left) {
		return unknown(cause, "the ledger has not said in time whether this was decided")
	}
	<-j.done // it is being closed
	return j.err
}

// unknown is the error of a command of which nobody knows whether it was decided.
func unknown(cause error, format string, args ...any) error {
	return curfew.Wrap(curfew.Unavailable, cause, format, args...).WithRule("ledger.unknown").
		WithFix("look whether it was before you do it again: curfew status")
}

func isUnknown(err error) bool {
	e, ok := errors.AsType[*curfew.Error](err)
	return ok && e.Rule == "ledger.unknown"
}

var errBound = errors.New("no answer within " + answerBound.String())

// await has a job decided and waits for the answer, within answerBound.
func (s *Service) await(ctx context.Context, j *job) error {
	bound := time.NewTimer(answerBound)
	defer bound.Stop()
	if j.acted != nil {
		s.pushFirst(j)
	} else if err := s.submit(ctx, bound.C, j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.err
	case <-s.stopped:
		select {
		case <-j.done: // its turn was the last one
			return j.err
		default:
			return s.closedError()
		}
	case <-bound.C:
		return j.leave(errBound)
	case <-ctx.Done():
		return j.leave(context.Cause(ctx))
	}
}

// Silent is how long the turn under way has lasted; 0: none is.
func (s *Service) Silent(now time.Time) time.Duration {
	began := s.turning.Load()
	if began == 0 {
		return 0
	}
	return max(now.Sub(time.Unix(0, began)), 0)
}

func (s *Service) submit(ctx context.Context, bound <-chan time.Time, j *job) error {
	select {
	case <-s.shut:
		return s.closedError()
	default:
	}
	if silent := s.Silent(time.Now()); silent > answerBound {
		return curfew.Errorf(curfew.Unavailable, "the ledger has not answered since %s; nothing was decided", time.Now().Add(-silent).Format("15:04:05 MST")).
			WithRule("ledger.silent").WithFix("curfew doctor says what is wrong with the ledger")
	}
	select {
	case s.queue <- j:
		return nil
	case <-s.shut:
		return s.closedError()
	case <-bound:
		return j.leave(errBound)
	case <-ctx.Done():
		return j.leave(context.Cause(ctx))
	}
}

// pushFirst has a job decided before what is queued. It never waits.
func (s *Service) pushFirst(j *job) {
	s.firstMu.Lock()
	s.first = append(s.first, j)
	s.firstMu.Unlock()
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

func (s *Service) takeFirst() []*job {
	s.firstMu.Lock()
	defer s.firstMu.Unlock()
	jobs := s.first
	s.first = nil
	return jobs
}
