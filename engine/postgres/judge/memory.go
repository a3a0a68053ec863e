package judge

import (
	"container/list"
	"sync"
)

// memory keeps what was found out about the newest texts, within bounds. The zero
// value is ready; it is safe for concurrent use. What it keeps is never changed.
type memory[T any] struct {
	mu    sync.Mutex
	texts map[string]*list.Element // guarded by mu
	order list.List                // of *kept[T], newest first; guarded by mu
	bytes int                      // of all texts; guarded by mu
}

type kept[T any] struct {
	text  string
	found T
}

// bounds are what a memory may keep at most.
type bounds struct {
	texts int
	bytes int // of all texts together
	one   int // bytes of one text
}

func (m *memory[T]) recall(text string) (found T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.texts[text]
	if !ok {
		return found, false
	}
	m.order.MoveToFront(e)
	return e.Value.(*kept[T]).found, true
}

func (m *memory[T]) keep(text string, found T, b bounds) {
	if len(text) > b.one {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.texts == nil {
		m.texts = map[string]*list.Element{}
	}
	if _, ok := m.texts[text]; ok {
		return
	}
	m.texts[text] = m.order.PushFront(&kept[T]{text, found})
	m.bytes += len(text)
	for len(m.texts) > b.texts || m.bytes > b.bytes {
		old := m.order.Remove(m.order.Back()).(*kept[T])
		delete(m.texts, old.text)
		m.bytes -= len(old.text)
	}
}
