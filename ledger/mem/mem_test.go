package mem_test

import (
	"errors"
	"testing"

	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	"github.com/curfewhq/curfew/ledger/mem"
)

func TestLedger(t *testing.T) {
	ledgertest.Run(t, ledgertest.Maker{
		Open:    func(_ string, s ledger.Signer) (ledgertest.Log, error) { return mem.New(s), nil },
		Forgets: true,
	})
}

func TestFaultsFailAppends(t *testing.T) {
	s := ledgertest.Signer(t)
	l, bad := mem.New(s), errors.New("bad")
	ledgertest.MustAppend(t, l, ledgertest.Start(), ledger.Genesis(s))
	for i, stage := range []string{"before", "after"} {
		l.Fault(func(at string) error {
			if at == stage {
				return bad
			}
			return nil
		})
		if _, _, err := ledgertest.Append(l, ledgertest.Start(), ledgertest.Drafts("a", 1)...); !errors.Is(err, bad) {
			t.Errorf("%s: %v", stage, err)
		}
		if l.Head().Size != uint64(1+i) {
			t.Errorf("%s: %d events", stage, l.Head().Size)
		}
	}
	l.Fault(nil)
	if l.Head().Size != 2 {
		t.Errorf("%d events", l.Head().Size)
	}
}
