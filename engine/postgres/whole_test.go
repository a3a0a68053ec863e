package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/record"
)

// TestALongSessionIsRecordedWhole says wholeBytes of statements in one session: each
// is in the recording, to the byte, and the gateway did not hold them all.
func TestALongSessionIsRecordedWhole(t *testing.T) {
	w := world(t, "whole")
	g := w.Grant("read", time.Hour)
	c := through(t, w, g, "")
	const each = textLimit - 100
	letters := make([]byte, each)
	for i := range letters { // little is gained by compressing it
		letters[i] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"[rand.IntN(64)]
	}
	most, said := uint64(0), 0
	for n := 0; said < wholeBytes; n++ {
		from := rand.IntN(each - 20)
		text := fmt.Sprintf("SELECT length('%08d%s%s')", n, letters[from:], letters[:from])
		var length int
		if err := c.QueryRow(ctx(t), text, pgx.QueryExecModeSimpleProtocol).Scan(&length); err != nil || length != each+8 {
			t.Fatal(n, length, err)
		}
		said += len(text)
		if n%8 == 7 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
		}
	}
	_ = c.Close(context.Background())
	w.Ended(g.ID)
	next, recorded, outcomes, closed := 0, 0, 0, false
	w.Each(w.Sessions(g.ID)[0], func(it record.Item) {
		switch it.Kind {
		case record.Statement:
			if want := fmt.Sprintf("SELECT length('%08d", next); !strings.HasPrefix(it.Text, want) || !strings.HasSuffix(it.Text, "')") {
				t.Fatalf("statement %d begins with %.40q", next, it.Text)
			}
			next++
			recorded += len(it.Text)
		case record.Outcome:
			outcomes++
		case record.Closed:
			closed = true
		}
	})
	if recorded != said || outcomes != next || !closed {
		t.Errorf("%d bytes of %d, %d outcomes of %d, closed: %v", recorded, said, outcomes, next, closed)
	}
	t.Logf("%d MiB in %d statements; at most %d MiB of heap in use, with the client's part", said>>20, next, most>>20)
	if most > 512<<20 {
		t.Errorf("%d MiB of heap", most>>20)
	}
}
