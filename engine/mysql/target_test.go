package mysql

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/lease"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

func TestTheTargetIsMetOverTLS(t *testing.T) {
	secured := func(more string) func(*enginetest.Options) {
		return func(o *enginetest.Options) {
			o.Login = strings.Replace(o.Login, "sslmode=disable", more, 1)
			o.CA = maria.CA
		}
	}
	w := world(t, "tls", secured("sslmode=verify-full&sslrootcert=file:ca"))
	c := connect(t, w, w.Grant("read", time.Hour))
	var name, cipher string
	must(t, c.QueryRowContext(within(t), "SHOW SESSION STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher))
	if cipher == "" {
		t.Error("the session is not encrypted")
	}
	k := New().Keeper(lease.Target{
		Deployment: "tls", Resource: resource(), Dial: newTarget("", "").Dial,
		Login: func(context.Context) (lease.Login, error) {
			return lease.Login{User: "gate_tls", Password: servers.AdminPassword, Database: "shop", Options: map[string]string{}}, nil
		},
	})
	defer k.Close()
	if _, err := k.Accounts(within(t)); err == nil {
		t.Error("a certificate of an unknown authority is taken")
	}
}

// peer is a target of the test's own making: it greets with a plugin, and does the steps.
type peer struct {
	conn net.Conn
	next byte
	fail error
}

func (p *peer) send(b []byte) {
	_, err := p.conn.Write(appendPacket(nil, p.next, b))
	p.next++
	p.fail = errors.Join(p.fail, err)
}

func (p *peer) read() []byte {
	got, err := readPacket(p.conn, maxPayload)
	p.fail = errors.Join(p.fail, err)
	p.next = got.seq + 1
	return got.payload
}

// greet sends a greeting that names a plugin.
func (p *peer) greet(salt []byte, plugin string, capabilities uint32) {
	b := greeting(77, salt, capabilities)
	p.send(bytes.Replace(b, []byte(cachingSHA2), []byte(plugin), 1))
}

func TestLogInsAsTargetsWantThem(t *testing.T) {
	cfg, _ := certificate(t)
	salt, other := newSalt(), newSalt()
	const password = "the-password"
	ask := func(plugin string, salt []byte) []byte {
		return append(append(append([]byte{eofHeader}, plugin...), 0), append(append([]byte(nil), salt...), 0)...)
	}
	check := func(p *peer, got, want []byte) {
		if !bytes.Equal(got, want) {
			p.fail = errors.Join(p.fail, fmt.Errorf("the proof is %x, want %x", got, want))
		}
	}
	for name, c := range map[string]struct {
		sslmode string
		steps   func(*peer)
		refused string
	}{
		"native": {"disable", func(p *peer) {
			p.greet(salt, nativePassword, offered)
			h, err := parseHello(p.read())
			p.fail = errors.Join(p.fail, err)
			check(p, h.proof, scrambleNative(salt, password))
			p.send(okPayload(autocommit))
		}, ""},
		"switched to native": {"disable", func(p *peer) {
			p.greet(salt, cachingSHA2, offered)
			p.read()
			p.send(ask(nativePassword, other))
			check(p, p.read(), scrambleNative(other, password))
			p.send(okPayload(autocommit))
		}, ""},
		"the fast way": {"disable", func(p *peer) {
			p.greet(salt, cachingSHA2, offered)
			h, _ := parseHello(p.read())
			check(p, h.proof, scrambleSHA2(salt, password))
			p.send([]byte{moreData, fastOK})
			p.send(okPayload(autocommit))
		}, ""},
		"the full way under a key that anybody may send": {"disable", func(p *peer) {
			p.greet(salt, cachingSHA2, offered)
			p.read()
			p.send([]byte{moreData, fullProof})
			if _, err := p.conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				p.fail = errors.New("something came")
			}
		}, "without TLS"},
		"the full way inside TLS": {"require", func(p *peer) {
			p.greet(salt, cachingSHA2, offered|withTLS)
			if h, err := parseHello(p.read()); err != nil || !h.tls {
				p.fail = errors.Join(p.fail, errors.New("no request for TLS"))
			}
			p.conn = tls.Server(p.conn, cfg)
			p.read()
			p.send([]byte{moreData, fullProof})
			check(p, p.read(), append([]byte(password), 0))
			p.send(okPayload(autocommit))
		}, ""},
		"the password in the clear": {"disable", func(p *peer) {
			p.greet(salt, cachingSHA2, offered)
			p.read()
			p.send(ask(clearPassword, other))
			_, err := p.conn.Read(make([]byte, 1))
			if !errors.Is(err, io.EOF) {
				p.fail = errors.New("something came")
			}
		}, "mysql_clear_password"},
		"no TLS where it is wanted": {"require", func(p *peer) { p.greet(salt, cachingSHA2, offered) }, "offers no TLS"},
		"an old server":             {"disable", func(p *peer) { p.greet(salt, nativePassword, protocol41|pluginAuth|secure) }, "too old"},
		"full":                      {"disable", func(p *peer) { p.send(errPayload(1040, "08004", "Too many connections")) }, "Too many connections"},
		"for ever": {"disable", func(p *peer) {
			p.greet(salt, cachingSHA2, offered)
			p.read()
			for range 8 {
				p.send([]byte{moreData, fastOK})
			}
		}, "does not end"},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := net.Pipe()
			p := &peer{conn: theirs}
			done := make(chan struct{})
			go func() { defer close(done); c.steps(p) }()
			l := &login{
				ctx: within(t), conn: ours, res: curfew.Resource{Name: "shop", Address: "127.0.0.1:1"},
				forward: func(conn net.Conn, b []byte) error { _, err := conn.Write(b); return err },
				account: lease.Login{User: "u", Password: password, Options: map[string]string{"sslmode": c.sslmode}},
			}
			got, err := l.run(hello{capabilities: meaning, charset: utf8mb4, user: "u", database: "shop"})
			_ = ours.Close()
			<-done
			if c.refused == "" {
				if err != nil || p.fail != nil || got.thread != 77 || got.status != autocommit {
					t.Errorf("%v; at the target: %v", err, p.fail)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%v", err)
			}
		})
	}
}

// between stands before the server and answers one statement in its place.
func between(t *testing.T, instead func(payload string) []byte) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			client, err := ln.Accept()
			if err != nil {
				return
			}
			go carry(client, instead)
		}
	}()
	return ln.Addr().String()
}

func carry(client net.Conn, instead func(payload string) []byte) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", maria.Address())
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() { _, _ = io.Copy(client, server); _ = client.Close() }()
	for {
		p, err := readPacket(client, maxPayload)
		if err != nil {
			return
		}
		if answer := instead(string(p.payload)); answer != nil {
			_, _ = client.Write(appendPacket(nil, p.seq+1, answer))
			continue
		}
		if _, err := server.Write(appendPacket(nil, p.seq, p.payload)); err != nil {
			return
		}
	}
}

func TestAHostileTargetGetsNoFileAndEndsTheSession(t *testing.T) {
	for name, answer := range map[string][]byte{
		"a request for a file":  append([]byte{localInfile}, "/etc/passwd"...),
		"nothing":               {},
		"a count of no columns": {0xfc, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			address := between(t, func(payload string) []byte {
				if strings.Contains(payload, "please") {
					return answer
				}
				return nil
			})
			deployment := "h" + itoa(uint64(len(answer)))
			w := world(t, deployment, func(o *enginetest.Options) {
				o.Login = strings.Replace(o.Login, maria.Address(), address, 1)
				o.Resource.Address = address
			})
			g := w.Grant("read", time.Hour)
			c := connect(t, w, g, func(cfg *mysql.Config) { cfg.AllowAllFiles = true })
			_, err := c.ExecContext(within(t), "SELECT 'please'")
			if n := number(t, err); n != errNotAllowed || !strings.Contains(err.Error(), "Curfew: ") {
				t.Errorf("%v", err)
			}
			if e := w.Ended(g.ID); e.Cause != curfew.CauseProtocol {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestResultsAreRecordedWhereThePolicySaysSo(t *testing.T) {
	must(t, maria.Exec(context.Background(), "shop", "DELETE FROM orders WHERE cust = 'kept'", "INSERT INTO orders (cust, at, n) VALUES ('kept', '2026-01-02 03:04:05', 1.25), ('kept', NULL, 2)"))
	w := world(t, "results", func(o *enginetest.Options) { o.Record = curfew.RecordFirstResults })
	g := w.Grant("read", time.Hour)
	c := connect(t, w, g)
	for _, q := range []string{"SELECT cust, at, n, 7 AS seven FROM orders WHERE cust = 'kept' ORDER BY n", "SELECT cust, at, n, 7 AS seven FROM orders WHERE cust = ? ORDER BY n"} {
		var args []any
		if strings.Contains(q, "?") {
			args = append(args, "kept")
		}
		rows, err := c.QueryContext(within(t), q, args...)
		must(t, err)
		n := 0
		for rows.Next() {
			n++
		}
		if must(t, rows.Err()); n != 2 {
			t.Errorf("%d rows", n)
		}
	}
	_, err := c.ExecContext(within(t), "SET max_recursive_iterations = 5000")
	must(t, err)
	rows, err := c.QueryContext(within(t), "WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 1500) SELECT n FROM s")
	must(t, err)
	for rows.Next() {
	}
	must(t, rows.Err())
	bye(c)
	all := items(t, w, g.ID)
	kept, left, long := 0, int64(0), 0
	for _, it := range all {
		if it.Kind != record.Result {
			continue
		}
		if len(it.Columns) == 4 && len(it.Table) == 2 {
			kept++
			a, b := it.Table[0], it.Table[1]
			if strings.Join(it.Columns, " ") != "cust at n seven" || a[0].Text != "kept" || !strings.HasPrefix(a[1].Text, "2026-01-02 03:04:05") || a[2].Text != "1.25" || a[3].Text != "7" || !b[1].Null {
				t.Errorf("%+v", it)
			}
			continue
		}
		left += it.Left
		long += len(it.Table)
	}
	if kept != 2 || long != resultRows || left != 500 {
		t.Errorf("%d results, %d rows of the long one and %d left", kept, long, left)
	}
}
