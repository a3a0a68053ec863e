package ssh

import (
	"sync"

	"github.com/curfewhq/curfew"
)

// departed are sessions whose clients left by themselves: what they started goes
// on until their grant ends.
type departed struct {
	mu  sync.Mutex
	ids map[curfew.SessionID]bool // guarded by mu
}

func (d *departed) add(id curfew.SessionID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ids == nil {
		d.ids = map[curfew.SessionID]bool{}
	}
	d.ids[id] = true
}

// forget reports whether the session's client left, and forgets it.
func (d *departed) forget(id curfew.SessionID) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.ids[id]
	delete(d.ids, id)
	return left
}
