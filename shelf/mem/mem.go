// Package mem keeps shelf rows in memory, for tests and trials.
package mem

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/curfewhq/curfew"
)

// Rows are rows in memory. The zero value is ready.
type Rows struct {
	mu   sync.Mutex
	rows map[string]map[string][]byte // guarded by mu; by kind and name
}

// Store keeps a row.
func (r *Rows) Store(_ context.Context, kind, name string, box []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		r.rows = map[string]map[string][]byte{}
	}
	if r.rows[kind] == nil {
		r.rows[kind] = map[string][]byte{}
	}
	r.rows[kind][name] = slices.Clone(box)
	return nil
}

// Load returns a row.
func (r *Rows) Load(_ context.Context, kind, name string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if box, ok := r.rows[kind][name]; ok {
		return slices.Clone(box), nil
	}
	return nil, curfew.Errorf(curfew.NotFound, "there is no such row")
}

// Delete removes a row.
func (r *Rows) Delete(_ context.Context, kind, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.rows[kind], name)
	return nil
}

// List returns the names of a kind.
func (r *Rows) List(_ context.Context, kind string) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.rows[kind])), nil
}

// Close does nothing.
func (r *Rows) Close() error { return nil }
