package mysql

import (
	"strconv"
	"strings"
	"sync"

	"github.com/curfewhq/curfew"
)

// threads finds the target's number of a connection by the one that its client was given.
type threads struct {
	mu   sync.Mutex
	live map[uint32]thread // guarded by mu; by our number
}

type thread struct {
	grant  curfew.GrantID
	target uint32
}

func (t *threads) add(ours uint32, of thread) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live == nil {
		t.live = map[uint32]thread{}
	}
	t.live[ours] = of
}

func (t *threads) remove(ours uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.live, ours)
}

// find returns the target's number of a connection of the same grant.
func (t *threads) find(ours uint64, grant curfew.GrantID) (uint32, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	th, ok := t.live[uint32(ours)]
	return th.target, ok && ours <= 1<<32-1 && th.grant == grant
}

// longestKill is more than any KILL has.
const longestKill = 100

// translate puts the target's number into a KILL of a connection of the same grant, as
// clients send it on Ctrl-C over another connection. Of every other the target itself
// says what it knows: it lets an account end only its own.
func (t *threads) translate(text string, grant curfew.GrantID) (string, bool) {
	if len(text) > longestKill || !mentions(text, "kill") {
		return "", false
	}
	words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(text), ";"))
	if len(words) < 2 || !strings.EqualFold(words[0], "kill") {
		return "", false
	}
	last := len(words) - 1
	for _, w := range words[1:last] {
		switch strings.ToLower(w) {
		case "hard", "soft", "connection", "query":
		default:
			return "", false
		}
	}
	n, err := strconv.ParseUint(words[last], 10, 64)
	if err != nil {
		return "", false
	}
	target, ok := t.find(n, grant)
	words[last] = strconv.FormatUint(uint64(target), 10)
	return strings.Join(words, " "), ok
}
