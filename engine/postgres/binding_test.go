package postgres

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
	"github.com/curfewhq/curfew/servers"
)

// A server whose certificate has no hash of its own to bind to.
func TestTargetsWithoutChannelBinding(t *testing.T) {
	p, err := servers.StartPostgresWith(context.Background(), servers.Options{TLS: true, Ed25519: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	address := net.JoinHostPort("localhost", strconv.Itoa(p.Port))
	try := func(mode string) error {
		login := lease.Login{User: servers.Super, Password: servers.SuperPassword, Options: map[string]string{"sslmode": mode, "sslrootcert": string(p.CA)}}
		cfg, err := clientConfig(curfew.Resource{Name: "db", Address: address}, login, "postgres")
		if err != nil {
			return err
		}
		cfg.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
		conn, err := pgx.ConnectConfig(ctx(t), cfg)
		if err != nil {
			return err
		}
		return conn.Close(ctx(t))
	}
	if err := try("verify-full"); err != nil {
		t.Errorf("verified: %v", err)
	}
	if err := try("require"); err == nil || !strings.Contains(err.Error(), "it is not verified") {
		t.Errorf("somebody in between could have a certificate like this: %v", err)
	}
}
