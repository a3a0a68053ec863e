package deadline

// The two clocks an entry is ordered by.
const (
	onWall = iota
	onBoot
	clocks
)

// entry is one end, which lies in two heaps at once.
type entry struct {
	id  string
	due [clocks]int64 // nanoseconds, by that clock
	pos [clocks]int   // its place in that clock's heap
}

// heap is a binary heap of entries by one clock, which knows where each lies.
// It is typed and indexed because thousands of ends come in one instant, and each
// is removed from a heap it does not head.
type heap struct {
	slot int // which clock
	list []*entry
}

func (h *heap) top() *entry {
	if len(h.list) == 0 {
		return nil
	}
	return h.list[0]
}

func (h *heap) push(e *entry) {
	h.list = append(h.list, e)
	h.up(len(h.list)-1, e)
}

func (h *heap) remove(e *entry) {
	last := len(h.list) - 1
	i, moved := e.pos[h.slot], h.list[last]
	h.list[last] = nil
	h.list = h.list[:last]
	if i == last {
		return
	}
	h.down(i, moved)
	h.up(moved.pos[h.slot], moved)
}

// less orders by time, then by identifier, so that every run fires in one order.
func (h *heap) less(a, b *entry) bool {
	if a.due[h.slot] != b.due[h.slot] {
		return a.due[h.slot] < b.due[h.slot]
	}
	return a.id < b.id
}

func (h *heap) put(i int, e *entry) {
	h.list[i] = e
	e.pos[h.slot] = i
}

func (h *heap) up(i int, e *entry) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(e, h.list[parent]) {
			break
		}
		h.put(i, h.list[parent])
		i = parent
	}
	h.put(i, e)
}

func (h *heap) down(i int, e *entry) {
	for {
		child := 2*i + 1
		if child >= len(h.list) {
			break
		}
		if child+1 < len(h.list) && h.less(h.list[child+1], h.list[child]) {
			child++
		}
		if !h.less(h.list[child], e) {
			break
		}
		h.put(i, h.list[child])
		i = child
	}
	h.put(i, e)
}
