package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/screen"
)

// However many terminals a session opens, the one that prints is the one that is shown.
func TestNoTerminalHidesBehindOthers(t *testing.T) {
	one := func(i uint64, kind record.Kind, text, tag string) client.Item {
		return client.Item{Kind: string(kind), Ref: i, Text: text, Tag: tag}
	}
	for _, ends := range []bool{true, false} {
		x := terminals{all: map[uint64]*screen.Screen{}}
		for i := uint64(1); i <= 60; i++ {
			x.take(one(i, record.Statement, "shell", "20x2"))
			x.take(one(i, record.Output, fmt.Sprint("number ", i), ""))
			if f, ok := x.frame(); !ok || f.Ref != i || !strings.Contains(fmt.Sprint(f.Lines), fmt.Sprint("number ", i)) {
				t.Fatalf("ends %v: of terminal %d is shown %+v", ends, i, f)
			}
			if ends {
				x.take(one(i, record.Outcome, "", ""))
			}
		}
		if len(x.all) > mostScreens {
			t.Errorf("%d screens are kept", len(x.all))
		}
		if ends {
			continue
		}
		x.take(one(1, record.Output, "again", "")) // it was forgotten meanwhile
		if f, ok := x.frame(); !ok || f.Ref != 1 || f.Columns != 20 || !strings.Contains(fmt.Sprint(f.Lines), "again") || len(x.all) > mostScreens {
			t.Errorf("the first prints again: %+v", f)
		}
	}
}
