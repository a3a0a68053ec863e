package cli

import (
	"testing"

	"github.com/curfewhq/curfew/client"
)

func TestWhatWasReadOnAScreenIsShownAtItsSecond(t *testing.T) {
	f := newFake(t)
	hit := client.Hit{Session: endedSession("s_2"), Items: []client.Found{{Item: client.Item{At: at(3), Kind: "output", Ref: 1, Text: "failure of\x1b[2J pump 7\nsecond line"}, Number: 9}}}
	f.on("GET /sessions/search", gives(client.Hits{Items: []client.Hit{hit}, Looked: 3}))
	s := newShell(t, f)
	out := s.must("", "sessions", "search", "pump")
	has(t, out, "14:05:00  │ failure of", "pump 7", "          │ second line", "(to see it: curfew replay s_2 --from 14:05:00)")
	hasNot(t, out, "\x1b")
}
