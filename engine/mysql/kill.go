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
	relay  *relay
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
func (t *threads) find(ours uint64, grant curfew.GrantID) (thread, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	th, ok := t.live[uint32(ours)]
	return th, ok && ours <= 1<<32-1 && th.grant == grant
}

// longestKill is more than any KILL has.
const longestKill = 100

// translate puts the target's number into a KILL of a connection of the same grant, as
// clients send it on Ctrl-C over another connection. Of every other the target itself
// says what it knows: it lets an account end only its own. of is whose statement is to
// end; nil: a connection.
func (t *threads) translate(text string, grant curfew.GrantID) (killing string, of *relay, ok bool) {
	if len(text) > longestKill || !mentions(text, "kill") {
		return "", nil, false
	}
	words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(text), ";"))
	if len(words) < 2 || !strings.EqualFold(words[0], "kill") {
		return "", nil, false
	}
	last, query := len(words)-1, false
	for _, w := range words[1:last] {
		switch strings.ToLower(w) {
		case "query":
			query = true
		case "hard", "soft", "connection":
		default:
			return "", nil, false
		}
	}
	n, err := strconv.ParseUint(words[last], 10, 64)
	if err != nil {
		return "", nil, false
	}
	th, ok := t.find(n, grant)
	words[last] = strconv.FormatUint(uint64(th.target), 10)
	if query {
		of = th.relay
	}
	return strings.Join(words, " "), of, ok
}
