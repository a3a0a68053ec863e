package sqlite

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/ledger/ledgertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLedger(t *testing.T) {
	ledgertest.Run(t, ledgertest.Maker{
		Open: func(folder string, s ledger.Signer) (ledgertest.Log, error) { return Open(folder, s) },
	})
}
