package access

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

func TestAllGatesAreShutBeforeTheFirstCut(t *testing.T) {
	now := time.Now()
	permits := make([]*Permit, 500)
	for i := range permits {
		permits[i] = newPermit("s_x", Grant{}, curfew.Resource{}, curfew.Permission{}, now, now.Add(time.Hour))
	}
	var wg sync.WaitGroup
	var open atomic.Int64
	wg.Add(len(permits))
	for _, p := range permits {
		context.AfterFunc(p.Context(), func() { // where a session's cut begins
			defer wg.Done()
			for _, other := range permits {
				if !other.Over() {
					open.Add(1)
				}
			}
		})
	}
	endAll(permits, func(*Permit) Ended { return Ended{Cause: curfew.CauseRevoked, At: now} })
	wg.Wait()
	if n := open.Load(); n != 0 {
		t.Errorf("a cut began while a gate was open, %d times", n)
	}
	for _, p := range permits {
		p.Expire(now) // too late to change the cause
		if e, ok := p.Ended(); !ok || e.Cause != curfew.CauseRevoked {
			t.Fatalf("ended: %+v %v", e, ok)
		}
	}
}
