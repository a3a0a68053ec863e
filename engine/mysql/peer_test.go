package mysql

import (
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net"
	"strings"
	"testing"

	peers "github.com/go-mysql-org/go-mysql/server"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// The other side of a log-in, as somebody else wrote it: MariaDB has no caching_sha2_password.
func TestLogInsAtAServerThatOthersMade(t *testing.T) {
	cfg, _ := certificate(t)
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	must(t, err)
	users := peers.NewInMemoryAuthenticationHandler(cachingSHA2)
	must(t, users.AddUser("u", "the-password"))
	natives := peers.NewInMemoryAuthenticationHandler(nativePassword)
	must(t, natives.AddUser("u", "the-password"))
	sha2 := peers.NewServer("8.0.34", utf8mb4, cachingSHA2, key, cfg)
	native := peers.NewServer("8.0.34", utf8mb4, nativePassword, key, cfg)
	fresh := peers.NewServer("8.0.34", utf8mb4, cachingSHA2, key, cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0") // one for all: what the server remembers belongs to its address
	must(t, err)
	defer func() { _ = ln.Close() }()
	for _, c := range []struct {
		name, sslmode, password string
		server                  *peers.Server
		users                   *peers.InMemoryAuthenticationHandler
		refused                 string
	}{
		{"native", "disable", "the-password", native, natives, ""},
		{"native inside TLS", "require", "the-password", native, natives, ""},
		{"native, another password", "require", "another", native, natives, "Access denied"},
		{"the full way without TLS", "disable", "the-password", fresh, users, "without TLS"},
		{"the full way inside TLS", "require", "the-password", sha2, users, ""},
		{"the fast way, which the server remembers", "require", "the-password", sha2, users, ""},
		{"the fast way without TLS", "disable", "the-password", sha2, users, ""},
		{"another password", "require", "another", sha2, users, "Access denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			let := make(chan error, 1)
			go func() {
				conn, err := ln.Accept()
				if err != nil {
					let <- err
					return
				}
				_, err = c.server.NewCustomizedConn(conn, c.users, peers.EmptyHandler{})
				_ = conn.Close()
				let <- err
			}()
			conn, err := net.Dial("tcp", ln.Addr().String())
			must(t, err)
			defer func() { _ = conn.Close() }()
			l := &login{
				ctx: within(t), conn: conn, res: curfew.Resource{Name: "shop", Address: ln.Addr().String()},
				forward: func(conn net.Conn, b []byte) error { _, err := conn.Write(b); return err },
				account: lease.Login{User: "u", Password: c.password, Options: map[string]string{"sslmode": c.sslmode}},
			}
			_, err = l.run(hello{capabilities: longFlag | transactions, charset: utf8mb4, user: "u"})
			_ = conn.Close()
			letIn := <-let
			switch {
			case c.refused == "" && (err != nil || letIn != nil):
				t.Errorf("%v; the server: %v", err, letIn)
			case c.refused != "" && (err == nil || letIn == nil || !strings.Contains(errors.Join(err, letIn).Error(), c.refused)):
				t.Errorf("%v; the server: %v", err, letIn)
			}
		})
	}
}
