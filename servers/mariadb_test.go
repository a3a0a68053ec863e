package servers

import (
	"context"
	"os"
	"testing"
)

func TestAMariaDBStartsAndLeavesNothing(t *testing.T) {
	ctx := context.Background()
	m, err := StartMariaDB(ctx, MariaDBOptions{Folder: t.TempDir(), TLS: true, Settings: []string{"wait-timeout=77"}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := m.One(ctx, "", "SELECT CONCAT(@@wait_timeout, ' ', @@have_ssl)"); err != nil || got != "77 YES" || len(m.CA) == 0 {
		t.Errorf("%q, %v", got, err)
	}
	if none, err := m.One(ctx, "", "SELECT User FROM mysql.user WHERE User = ''"); err != nil || none != "" {
		t.Errorf("an account without a name: %v", err)
	}
	if err := m.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(m.folder); !os.IsNotExist(err) {
		t.Errorf("its folder is left: %v", err)
	}
}
