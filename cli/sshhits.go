package cli

import (
	"strings"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/say"
)

// shownHit shows what was read on a terminal at a moment, and how to see the moment.
func (a *app) shownHit(session string, f client.Found) {
	at := f.At.In(a.now().Location()).Format("15:04:05")
	for i, line := range strings.Split(f.Text, "\n") {
		head := strings.Repeat(" ", len(at))
		if i == 0 {
			head = at
		}
		a.outf("%s  %s %s\n", head, a.dim("│"), say.Clean(line, statementBound))
	}
	a.outf("%s  %s\n", strings.Repeat(" ", len(at)), a.dim("(to see it: curfew replay "+clean(session)+" --from "+at+")"))
}
