package identity

import (
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// once keeps things that are good once, for a while, in memory: a gateway that starts
// anew knows none of them.
type once[T any] struct {
	life time.Duration
	most int // of all together
	each int // of one person, who keeps nobody else out

	mu   sync.Mutex
	kept map[string]kept[T]       // guarded by mu
	of   map[curfew.Principal]int // guarded by mu; how many are each one's
}

type kept[T any] struct {
	value T
	by    curfew.Principal
	until time.Time
}

// put keeps a thing of somebody's; false: there is no room.
func (o *once[T]) put(name string, by curfew.Principal, value T) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.kept == nil {
		o.kept, o.of = map[string]kept[T]{}, map[curfew.Principal]int{}
	}
	if len(o.kept) >= o.most || o.of[by] >= o.each {
		for name, k := range o.kept {
			if now.After(k.until) {
				o.drop(name, k)
			}
		}
	}
	if len(o.kept) >= o.most || o.of[by] >= o.each {
		return false
	}
	o.kept[name] = kept[T]{value, by, now.Add(o.life)}
	o.of[by]++
	return true
}

// drop forgets a thing. The caller holds mu.
func (o *once[T]) drop(name string, k kept[T]) {
	delete(o.kept, name)
	if o.of[k.by]--; o.of[k.by] <= 0 {
		delete(o.of, k.by)
	}
}

// take gives a thing out, which is then no longer there.
func (o *once[T]) take(name string) (value T, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k, ok := o.kept[name]
	if !ok {
		return value, false
	}
	o.drop(name, k)
	if time.Now().After(k.until) {
		return value, false
	}
	return k.value, true
}
