package postgres

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/servers"
)

// bytewise writes each byte in a segment of its own.
type bytewise struct{ net.Conn }

func (c bytewise) Write(b []byte) (int, error) {
	for i := range b {
		if n, err := c.Conn.Write(b[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(b), nil
}

// bytewiseTo is a way to a target on which both sides' bytes come one at a time.
func bytewiseTo(t *testing.T, target string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				_ = near.Close()
				continue
			}
			for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
				wg.Go(func() {
					_, _ = io.Copy(bytewise{way[1]}, struct{ io.Reader }{way[0]})
					_ = way[1].Close()
				})
			}
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

// TestSegmentsSplitAtEveryByte has a whole conversation, from the first packet to a
// copy and an error in a pipeline, in segments of one byte, on both sides.
func TestSegmentsSplitAtEveryByte(t *testing.T) {
	w := world(t, "split", func(o *enginetest.Options) {
		to := bytewiseTo(t, pg.Address())
		o.Resource.Address = to
		o.Login = "postgres://" + loginOf(t, "split") + ":" + servers.AdminPassword + "@" + to + "/shop?sslmode=disable"
	})
	g := w.Grant("write", time.Hour)
	cfg, err := pgx.ParseConfig(throughURL(w, g, "&max_protocol_version=3.2"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return bytewise{conn}, err
	}
	c, err := pgx.ConnectConfig(ctx(t), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var text string
	if err := c.QueryRow(ctx(t), "SELECT $1::text || $2::int", "añb", 7).Scan(&text); err != nil || text != "añb7" {
		t.Error(text, err)
	}
	if err := c.QueryRow(ctx(t), "SELECT 'simple'", pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil || text != "simple" {
		t.Error(text, err)
	}
	tx, err := c.Begin(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PgConn().CopyFrom(ctx(t), bytes.NewReader(bytes.Repeat([]byte("split\n"), 100)), "COPY orders (cust) FROM STDIN"); err != nil {
		t.Error(err)
	}
	var out bytes.Buffer
	if _, err := c.PgConn().CopyTo(ctx(t), &out, "COPY (SELECT cust FROM orders WHERE cust = 'split') TO STDOUT"); err != nil || out.String() != string(bytes.Repeat([]byte("split\n"), 100)) {
		t.Error(out.Len(), err)
	}
	_ = tx.Rollback(ctx(t))
	batch := &pgx.Batch{}
	batch.Queue("SELECT 1")
	batch.Queue("SELECT 1/0")
	batch.Queue("SELECT 2")
	if err := c.SendBatch(ctx(t), batch).Close(); err == nil {
		t.Error("an error in the middle is lost")
	}
	if err := c.QueryRow(ctx(t), "SELECT 'after'", pgx.QueryExecModeSimpleProtocol).Scan(&text); err != nil || text != "after" {
		t.Error(text, err)
	}
	_ = c.Close(ctx(t))
	all := items(t, w, g.ID)
	for _, want := range []string{"SELECT $1::text || $2::int", "SELECT 'simple'", "COPY orders (cust) FROM STDIN", "SELECT 1/0", "SELECT 'after'"} {
		if find(all, record.Statement, want) == nil {
			t.Errorf("%s is not recorded", want)
		}
	}
}
