package servers

import (
	"context"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestPostgresStartsAndEnds(t *testing.T) {
	ctx := context.Background()
	p, err := StartPostgresWith(ctx, Options{Folder: t.TempDir(), TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	pid := p.run.cmd.Process.Pid
	if err := errors.Join(p.Prepare(ctx, "shop"), p.Sample(ctx, "shop")); err != nil {
		t.Fatal(err)
	}
	if got, err := p.One(ctx, "shop", "SELECT count(*) FROM orders"); err != nil || got != "2000" {
		t.Fatal(got, err)
	}
	verified(t, p)
	if err := errors.Join(p.Kill(), p.Restart(ctx)); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the server lives on: %v", err)
	}
	if _, err := os.Stat(p.folder); !os.IsNotExist(err) {
		t.Errorf("its files are still there: %v", err)
	}
}

// verified connects with TLS, the certificate checked.
func verified(t *testing.T, p *Postgres) {
	t.Helper()
	cfg, err := pgx.ParseConfig(strings.Replace(p.URL(Admin, AdminPassword, "shop"), "sslmode=disable", "sslmode=verify-full", 1))
	if err != nil {
		t.Fatal(err)
	}
	cfg.TLSConfig.RootCAs = x509.NewCertPool()
	cfg.TLSConfig.RootCAs.AppendCertsFromPEM(p.CA)
	conn, err := pgx.ConnectConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
