package judge

import (
	"sync"
	"testing"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// What was read of a text stays that, whatever its parser reads next.
func TestWhatWasReadStays(t *testing.T) {
	for range 50 { // one of the parsers that are kept is used again, most of the time
		first, err := parse("SELECT id FROM orders")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse("DROP TABLE orders"); err != nil {
			t.Fatal(err)
		}
		if _, ok := first[0].(*ast.SelectStmt); !ok || len(first) != 1 {
			t.Fatalf("a SELECT has become %T", first[0])
		}
	}
}

// Parsers are shared between sessions: what one reads never stands in for what another one
// sends, however many judge at once.
func TestNobodysStatementIsJudgedAsAnothers(t *testing.T) {
	j := New(may(), shop())
	const allowed, refused = "SELECT id FROM orders", "DROP TABLE orders"
	if no := j.Judge(allowed); no != nil {
		t.Fatalf("%q is refused: %s", allowed, no.What)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 2000 {
				if i%2 == 0 {
					if no := j.Judge(allowed); no != nil {
						t.Errorf("%q is refused: %s", allowed, no.What)
						return
					}
				} else if j.Judge(refused) == nil {
					t.Errorf("%q is allowed", refused)
					return
				}
			}
		})
	}
	wg.Wait()
}
