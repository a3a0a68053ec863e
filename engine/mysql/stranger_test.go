package mysql

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/curfewhq/curfew/engine/enginetest"
)

func dial(t *testing.T, w *enginetest.World) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", w.Address)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	return conn
}

func TestStrangersAreBounded(t *testing.T) {
	w := world(t, "bounds")
	whole := appendHello(hello{capabilities: needed | lenencAuth | connectAttrs, user: "c_01", plugin: cachingSHA2})
	for name, b := range map[string][]byte{
		"a claim of 16 MiB":       {0xff, 0xff, 0xff, 1},
		"out of order":            appendPacket(nil, 7, whole),
		"nothing":                 appendPacket(nil, 1, nil),
		"cut short":               appendPacket(nil, 1, whole[:40]),
		"before 4.1":              appendPacket(nil, 1, []byte{0, 0, 0, 0, 0, 0}),
		"without plugins":         appendPacket(nil, 1, appendHello(hello{capabilities: protocol41, user: "c_01"})),
		"TLS where there is none": appendPacket(nil, 1, appendHello(hello{capabilities: needed | withTLS, tls: true})),
		"another protocol":        []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, w)
			if p, err := readPacket(conn, maxHello); err != nil || p.payload[0] != protocolVersion {
				t.Fatalf("no greeting: %v", err)
			}
			_, err := conn.Write(b)
			must(t, err)
			p, err := readPacket(conn, maxHello)
			if err != nil || p.payload[0] != errHeader {
				t.Fatalf("%x, %v", p.payload, err)
			}
			if n, _ := io.Copy(io.Discard, conn); n != 0 {
				t.Errorf("%d bytes more", n)
			}
		})
	}
}

func TestSilentStrangersHoldNobodyUp(t *testing.T) {
	w := world(t, "silent")
	for range 1000 {
		conn, err := net.Dial("tcp", w.Address)
		must(t, err)
		defer func() { _ = conn.Close() }()
	}
	g := w.Grant("read", time.Hour)
	began := time.Now()
	c := connect(t, w, g)
	must(t, c.PingContext(within(t)))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestACredentialOfAnotherFormIsAStrangers(t *testing.T) {
	w := world(t, "form")
	var said [][]byte
	for _, user := range []string{"root", "c_", "c_00000000000000000000000000", ""} {
		conn := dial(t, w)
		_, err := readPacket(conn, maxHello)
		must(t, err)
		_, _ = conn.Write(appendPacket(nil, 1, appendHello(hello{capabilities: needed | lenencAuth | connectAttrs, user: user, plugin: cachingSHA2, proof: []byte("x")})))
		p, err := readPacket(conn, maxHello)
		if err != nil || !bytes.Equal(p.payload, []byte{moreData, fullProof}) {
			t.Fatalf("%q: %x, %v", user, p.payload, err)
		}
		_, _ = conn.Write(appendPacket(nil, 3, []byte("guess\x00")))
		p, err = readPacket(conn, maxHello)
		must(t, err)
		said = append(said, p.payload)
	}
	for _, s := range said {
		if !bytes.Equal(s, stranger()) {
			t.Errorf("%q", s)
		}
	}
}
