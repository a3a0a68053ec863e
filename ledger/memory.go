package ledger

import (
	"context"
	"path/filepath"
	"time"

	"github.com/curfewhq/curfew"
)

// MemoryDelay is how far a node's memory on disk may lag behind.
const MemoryDelay = time.Second

// Newest is the newest head this node remembers; of size 0 if it has no memory.
func (n *Node) Newest() Head {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.newest
}

// Remember keeps a head if it is newer than what the node remembers. With now it
// is on disk when Remember returns; without, at a later call, once MemoryDelay has
// passed since the last write (Follow makes that call).
func (n *Node) Remember(h Head, now bool) error {
	n.mu.Lock()
	if h.Size > n.newest.Size {
		n.newest = h
	}
	due := now || time.Since(n.lastSave) >= MemoryDelay
	n.mu.Unlock()
	if !due {
		return nil
	}
	return n.save()
}

// save writes the newest head. Writers take turns, so that an older head never
// replaces a newer one.
func (n *Node) save() error {
	n.saving <- struct{}{}
	defer func() { <-n.saving }()
	n.mu.Lock()
	h, written := n.newest, n.written
	n.mu.Unlock()
	if written == h.Size {
		return nil
	}
	if err := writeFile(filepath.Join(n.folder, fileHead), h.Note); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.written, n.lastSave = h.Size, time.Now()
	return nil
}

// MemoryPatience is how long a node goes on while its memory cannot be written. A
// disk that fails for a moment must not keep anybody from being thrown out; a
// memory that stays behind is none.
const MemoryPatience = 30 * time.Second

// Follow remembers a ledger's heads until ctx ends: within a second, and at once
// after an event for which urgent says so. What cannot be written is tried again,
// for no longer than MemoryPatience.
func (n *Node) Follow(ctx context.Context, l Ledger, urgent func(curfew.Kind) bool) error {
	after := n.Newest().Size
	var failing time.Time // since when
	for {
		wait, cancel := context.WithTimeout(ctx, MemoryDelay)
		err := l.Wait(wait, after)
		cancel()
		if ctx.Err() != nil {
			return n.Remember(l.Head(), true)
		}
		now := err != nil || !failing.IsZero() // nothing new for a second: write what is not written
		h := l.Head()
		if h.Size > after {
			events, err := l.Read(ctx, after+1, int(min(h.Size-after, 4096)))
			if err == nil {
				for _, e := range events {
					now = now || urgent(e.Kind)
				}
			}
			after = h.Size
		}
		if err = n.Remember(h, now); err == nil {
			failing = time.Time{}
			continue
		}
		if failing.IsZero() {
			failing = time.Now()
		}
		if time.Since(failing) >= MemoryPatience {
			return err
		}
		select {
		case <-time.After(MemoryDelay):
		case <-ctx.Done():
		}
	}
}

// Restart makes h the newest head, whatever was remembered: a restored ledger is
// shorter. Only the lawful way back may call it.
func (n *Node) Restart(h Head) error {
	n.mu.Lock()
	n.newest, n.written = h, 0
	n.mu.Unlock()
	return n.save()
}
