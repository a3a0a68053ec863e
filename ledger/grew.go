package ledger

import (
	"context"
	"sync"
)

// Growth wakes those who wait for a ledger to grow. The zero value is ready.
type Growth struct {
	mu   sync.Mutex
	size uint64        // guarded by mu
	wake chan struct{} // guarded by mu; closed and replaced when size changes
}

// Set says how many events there are.
func (g *Growth) Set(size uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.size = size
	if g.wake != nil {
		close(g.wake)
		g.wake = nil
	}
}

// Wait returns once there are more than after events, or with the cause of ctx's end.
func (g *Growth) Wait(ctx context.Context, after uint64) error {
	for {
		g.mu.Lock()
		if g.size > after {
			g.mu.Unlock()
			return nil
		}
		if g.wake == nil {
			g.wake = make(chan struct{})
		}
		wake := g.wake
		g.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
