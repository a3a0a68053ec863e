package identity

import (
	"sync"
	"time"
)

// once keeps things that are good once, for a while, in memory: a gateway that starts
// anew knows none of them.
type once[T any] struct {
	life time.Duration
	most int

	mu   sync.Mutex
	kept map[string]kept[T] // guarded by mu
}

type kept[T any] struct {
	value T
	until time.Time
}

// put keeps a thing; false: there is no room.
func (o *once[T]) put(name string, value T) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.kept == nil {
		o.kept = map[string]kept[T]{}
	}
	if len(o.kept) >= o.most {
		for name, k := range o.kept {
			if now.After(k.until) {
				delete(o.kept, name)
			}
		}
	}
	if len(o.kept) >= o.most {
		return false
	}
	o.kept[name] = kept[T]{value, now.Add(o.life)}
	return true
}

// take gives a thing out, which is then no longer there.
func (o *once[T]) take(name string) (value T, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	k, ok := o.kept[name]
	delete(o.kept, name)
	if !ok || time.Now().After(k.until) {
		return value, false
	}
	return k.value, true
}
