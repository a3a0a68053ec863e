package access

import (
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/curfewhq/curfew"
)

// A turn that ends while a command acts must not clear what the command keeps.
func TestWhatActsWhileATurnEndsStaysInTheReserve(t *testing.T) {
	r, err := OpenReserve(filepath.Join(t.TempDir(), "reserve"))
	if err != nil {
		t.Fatal(err)
	}
	s := &Service{parts: Parts{Reserve: r}, log: slog.New(slog.DiscardHandler)}
	stop := make(chan struct{})
	var turns sync.WaitGroup
	turns.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s.arrived(nil)
			}
		}
	})
	for n := range 2000 {
		s.keep([]Fact{{curfew.KindGrantEnded, curfew.GrantEnded{Grant: "gr_1", Cause: curfew.CauseRevoked}}})
		r.mu.Lock()
		used := r.used
		r.mu.Unlock()
		if used == 0 {
			t.Errorf("end %d has acted, is not written, and is not kept", n)
			break
		}
		s.arrived([]*job{{away: true}})
	}
	close(stop)
	turns.Wait()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
