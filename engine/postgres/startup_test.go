package postgres

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/session"
)

// fakeGate knows one credential and opens nothing.
type fakeGate struct {
	tls    *tls.Config
	known  curfew.CredentialID
	verify engine.Verifier
	claims chan access.Claim
}

func (g *fakeGate) TLS() *tls.Config { return g.tls }

func (g *fakeGate) Verifier(_ context.Context, id curfew.CredentialID) engine.Verifier {
	if id == g.known {
		return g.verify
	}
	return engine.Verifier{Salt: make([]byte, 16), Iterations: 4096, StoredKey: make([]byte, 32), ServerKey: make([]byte, 32)}
}

func (g *fakeGate) Open(_ context.Context, c access.Claim, _ engine.Waiter) (*session.Session, error) {
	g.claims <- c
	return nil, curfew.Errorf(curfew.Lapsed, "your access to shop-db ended at 14:47").WithRule("grant.expired").WithFix("ask again: curfew request")
}

func newGate(t *testing.T, cfg *tls.Config) (*fakeGate, string) {
	t.Helper()
	password, stored, err := newVerifier()
	if err != nil {
		t.Fatal(err)
	}
	return &fakeGate{tls: cfg, known: "c_0123456789ABCDEF", verify: readVerifier(t, stored), claims: make(chan access.Claim, 1)}, password
}

// serve listens on loopback for one test; Serve has returned when it ends.
func serve(t *testing.T, gate engine.Gatekeeper) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, done := New(), make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			e.Serve(context.Background(), conn, gate)
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

func packet(code uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(8+len(body)))
	return append(binary.BigEndian.AppendUint32(b, code), body...)
}

func length(n uint32, rest string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, n), rest...)
}

const someone = "user\x00c_0123456789ABCDEF\x00database\x00shop-db\x00\x00"

// sasl is the first message of SCRAM as a client sends it.
func sasl(mechanism, text string) []byte {
	b, _ := (&pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: []byte(text)}).Encode(nil)
	return b
}

func TestWireStatesBeforeAuthentication(t *testing.T) {
	for name, c := range map[string]struct {
		send [][]byte
		want string // what the answer holds; "" for a connection that just closes
		not  string
	}{
		"length 0":                          {[][]byte{length(0, "xxxx")}, "FATAL", "SCRAM"},
		"length 3":                          {[][]byte{length(3, "xxxx")}, "FATAL", "SCRAM"},
		"length 4":                          {[][]byte{length(4, "xxxx")}, "FATAL", "SCRAM"},
		"length 7":                          {[][]byte{length(7, "xxxx")}, "FATAL", "SCRAM"},
		"length 10,001":                     {[][]byte{length(10_001, "\x00\x03\x00\x00")}, "FATAL", "SCRAM"},
		"length 2^31-1":                     {[][]byte{length(1<<31-1, "\x00\x03\x00\x00")}, "FATAL", "SCRAM"},
		"length 2^31":                       {[][]byte{length(1<<31, "\x00\x03\x00\x00")}, "FATAL", "SCRAM"},
		"length 2^32-1":                     {[][]byte{length(1<<32-1, "\x00\x03\x00\x00")}, "FATAL", "SCRAM"},
		"HTTP":                              {[][]byte{[]byte("GET / HTTP/1.1\r\n\r\n")}, "FATAL", "SCRAM"},
		"protocol 2":                        {[][]byte{packet(2<<16, someone)}, "FATAL", "SCRAM"},
		"protocol 4":                        {[][]byte{packet(4<<16, someone)}, "FATAL", "SCRAM"},
		"protocol 3.0":                      {[][]byte{packet(3<<16, someone)}, "SCRAM-SHA-256", "FATAL"},
		"protocol 3.2":                      {[][]byte{packet(3<<16+2, someone)}, "SCRAM-SHA-256", "v\x00\x00\x00"},
		"protocol 3.1 is talked down":       {[][]byte{packet(3<<16+1, someone)}, "v\x00\x00\x00\x0c\x00\x03\x00\x00", "FATAL"},
		"protocol 3.9999 is talked down":    {[][]byte{packet(3<<16+9999, someone)}, "v\x00\x00\x00\x0c\x00\x03\x00\x02", "FATAL"},
		"TLS at once where there is none":   {[][]byte{[]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")}, "FATAL", "SCRAM"},
		"a cancel request without a secret": {[][]byte{packet(cancelCode, "1234")}, "FATAL", "SCRAM"},
		"a cancel request too long":         {[][]byte{packet(cancelCode, "1234"+strings.Repeat("x", 257))}, "FATAL", "SCRAM"},
		"a long cancel of nothing":          {[][]byte{packet(cancelCode, "1234"+strings.Repeat("x", 256))}, "", "FATAL"},
		"unknown extension":                 {[][]byte{packet(3<<16, "_pq_.magic\x00on\x00"+someone)}, "_pq_.magic", "FATAL"},
		"no TLS here":                       {[][]byte{packet(sslCode, ""), packet(3<<16, someone)}, "NR", "FATAL"},
		"no GSS here, no TLS either":        {[][]byte{packet(gssCode, ""), packet(sslCode, ""), packet(3<<16, someone)}, "NNR", "FATAL"},
		"TLS asked for without end":         {[][]byte{packet(sslCode, ""), packet(sslCode, ""), packet(sslCode, ""), packet(sslCode, "")}, "FATAL", "SCRAM"},
		"a parameter twice":                 {[][]byte{packet(3<<16, "user\x00a\x00user\x00b\x00\x00")}, "FATAL", "SCRAM"},
		"a parameter without a value":       {[][]byte{packet(3<<16, "user\x00\x00")}, "FATAL", "SCRAM"},
		"parameters without an end":         {[][]byte{packet(3<<16, "user\x00a\x00")}, "FATAL", "SCRAM"},
		"replication":                       {[][]byte{packet(3<<16, "replication\x00database\x00"+someone)}, "replication", "SCRAM"},
		"cancel of nothing":                 {[][]byte{packet(cancelCode, "12345678")}, "", "FATAL"},
		"a query instead of a password":     {[][]byte{packet(3<<16, someone), []byte("Q\x00\x00\x00\x0dSELECT 1\x00")}, "FATAL", "SELECT"},
		"a second startup":                  {[][]byte{packet(3<<16, someone), packet(3<<16, someone)}, "FATAL", ""},
		"a password of 4 GB":                {[][]byte{packet(3<<16, someone), append([]byte("p"), length(1<<32-1, "")...)}, "FATAL", ""},
		"a password of length 3":            {[][]byte{packet(3<<16, someone), append([]byte("p"), length(3, "")...)}, "FATAL", ""},
		"SCRAM-PLUS without TLS":            {[][]byte{packet(3<<16, someone), sasl("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abcdefghijkl")}, "FATAL", ""},
		"another mechanism":                 {[][]byte{packet(3<<16, someone), sasl("SCRAM-SHA-1", "n,,n=,r=abcdefghijkl")}, "FATAL", ""},
		"an authorization identity":         {[][]byte{packet(3<<16, someone), sasl("SCRAM-SHA-256", "n,a=dana,n=,r=abcdefghijkl")}, "FATAL", ""},
		"a SASL message that is no SASL":    {[][]byte{packet(3<<16, someone), append([]byte("p"), length(4, "")...)}, "FATAL", ""},
	} {
		t.Run(name, func(t *testing.T) {
			gate, _ := newGate(t, nil)
			got := exchange(t, serve(t, gate), c.send)
			if !strings.Contains(got, c.want) || c.want == "" && got != "" || c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("answered %q", got)
			}
			if len(gate.claims) > 0 {
				t.Error("a session was asked for")
			}
		})
	}
}

// exchange sends pieces, closes its side, and reads all that comes back.
func exchange(t *testing.T, address string, send [][]byte) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	for _, b := range send {
		_, _ = conn.Write(b)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(conn)
	return string(got)
}

func connectPg(t *testing.T, address, user, password string, cfg *tls.Config) error {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	c, err := pgconn.ParseConfig("host=" + host + " port=" + port + " sslmode=disable database=shop-db user=" + user)
	if err != nil {
		t.Fatal(err)
	}
	c.Password, c.TLSConfig = password, cfg
	conn, err := pgconn.ConnectConfig(ctx(t), c)
	if err == nil {
		_ = conn.Close(context.Background())
	}
	return err
}

func TestOneSentenceForStrangers(t *testing.T) {
	gate, password := newGate(t, nil)
	address := serve(t, gate)
	var first string
	for i, who := range [][2]string{{"c_0123456789ABCDEF", "wrong"}, {"c_ZZZZZZZZZZZZZZZZ", password}, {"nobody", ""}} {
		var e *pgconn.PgError
		if err := connectPg(t, address, who[0], who[1], nil); !errors.As(err, &e) {
			t.Fatal(err)
		}
		said := e.Code + e.Message + e.Detail + e.Hint
		if i == 0 {
			first = said
		}
		if said != first {
			t.Errorf("%s hears %q, another hears %q", who[0], said, first)
		}
	}
	if len(gate.claims) > 0 {
		t.Error("a session was asked for")
	}
}

func TestWhoHasProvedIsToldWhy(t *testing.T) {
	gate, password := newGate(t, nil)
	var e *pgconn.PgError
	if err := connectPg(t, serve(t, gate), string(gate.known), password, nil); !errors.As(err, &e) {
		t.Fatal(err)
	}
	if e.Severity != "FATAL" || e.Code != "28000" || !strings.Contains(e.Message, "ended at 14:47") || e.Hint == "" {
		t.Errorf("%+v", e)
	}
	if c := <-gate.claims; c.Credential != gate.known || c.Resource != "shop-db" {
		t.Errorf("%+v", c)
	}
}

// authority makes a certificate that signs itself.
func authority(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return selfSigned(t, key)
}

func selfSigned(t *testing.T, key crypto.Signer) tls.Certificate {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLSAndChannelBinding(t *testing.T) {
	gate, password := newGate(t, &tls.Config{Certificates: []tls.Certificate{authority(t)}, MinVersion: tls.VersionTLS12})
	address := serve(t, gate)
	insecure := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the binding is what is tested
	var e *pgconn.PgError
	if err := connectPg(t, address, string(gate.known), password, insecure); !errors.As(err, &e) || e.Code != "28000" {
		t.Fatal(err)
	}
	<-gate.claims
	t.Run("a binding to another certificate is refused", func(t *testing.T) {
		s := &scram{verifier: gate.verify, plusOffered: true, binding: []byte("ours")}
		body := sasl(mechanismPlus, "p=tls-server-end-point,,n=,r=abcdefghijkl")[5:]
		if _, err := s.first(body); err != nil {
			t.Fatal(err)
		}
		if _, err := s.final(proof(t, s, password, "theirs")); err == nil {
			t.Fatal("accepted")
		}
		if _, err := s.final(proof(t, s, password, "ours")); err != nil {
			t.Fatal("the right one is refused:", err)
		}
	})
	t.Run("a client that was told there is none is not believed", func(t *testing.T) {
		s := &scram{verifier: gate.verify, plusOffered: true}
		if _, err := s.first(sasl(mechanism, "y,,n=,r=abcdefghijkl")[5:]); err == nil {
			t.Fatal("accepted")
		}
	})
	t.Run("what comes in the clear after the request for TLS is not read as protocol", func(t *testing.T) {
		got := exchange(t, address, [][]byte{append(packet(sslCode, ""), packet(3<<16, someone)...)})
		if strings.Contains(got, "SCRAM") || !strings.HasPrefix(got, "S") {
			t.Errorf("answered %q", got)
		}
	})
}

func TestTLSAtOnce(t *testing.T) {
	gate, password := newGate(t, &tls.Config{Certificates: []tls.Certificate{authority(t)}, MinVersion: tls.VersionTLS12})
	address := serve(t, gate)
	host, port, _ := net.SplitHostPort(address)
	c, err := pgconn.ParseConfig("host=" + host + " port=" + port + " sslmode=require sslnegotiation=direct max_protocol_version=3.2 database=shop-db user=" + string(gate.known))
	if err != nil {
		t.Fatal(err)
	}
	c.Password = password
	var e *pgconn.PgError
	if _, err := pgconn.ConnectConfig(ctx(t), c); !errors.As(err, &e) || e.Code != "28000" {
		t.Fatal(err)
	}
	<-gate.claims
	for name, protocols := range map[string][]string{"no protocol named": nil, "another protocol": {"h2"}} {
		cfg := &tls.Config{InsecureSkipVerify: true, NextProtos: protocols} //nolint:gosec // what is named inside is what is tested
		conn, err := tls.Dial("tcp", address, cfg)
		if err != nil {
			continue // refused in the handshake
		}
		_, _ = conn.Write(packet(3<<16, someone))
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if got, _ := io.ReadAll(conn); strings.Contains(string(got), "SCRAM") || len(gate.claims) > 0 {
			t.Errorf("%s: answered %q", name, got)
		}
		_ = conn.Close()
	}
	t.Run("a request for TLS inside TLS", func(t *testing.T) {
		conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpn}}) //nolint:gosec // as above
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = conn.Write(packet(sslCode, ""))
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if got, _ := io.ReadAll(conn); !strings.Contains(string(got), "FATAL") {
			t.Errorf("answered %q", got)
		}
	})
}

// half is a connection that gives bytes in one piece and swallows what is written.
type half struct {
	net.Conn
	in  *bytes.Reader
	out int
}

func (h *half) Read(b []byte) (int, error)       { return h.in.Read(b) }
func (h *half) Write(b []byte) (int, error)      { h.out += len(b); return len(b), nil }
func (h *half) Close() error                     { return nil }
func (h *half) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (h *half) SetDeadline(time.Time) error      { return nil }
func (h *half) SetWriteDeadline(time.Time) error { return nil }
func (h *half) SetReadDeadline(time.Time) error  { return nil }

func FuzzStartup(f *testing.F) {
	f.Add(packet(3<<16, someone))
	f.Add(append(packet(sslCode, ""), packet(3<<16, someone)...))
	f.Add(append(packet(3<<16, someone), sasl("SCRAM-SHA-256", "n,,n=,r=abcdefghijkl")...))
	f.Add(packet(cancelCode, "12345678"))
	f.Fuzz(func(t *testing.T, b []byte) {
		gate := &fakeGate{claims: make(chan access.Claim, 1), verify: engine.Verifier{Iterations: 4096}}
		h := &half{in: bytes.NewReader(b)}
		New().Serve(context.Background(), h, gate)
		if len(gate.claims) > 0 {
			t.Fatal("somebody proved what they cannot know")
		}
		if h.out > 4096 {
			t.Fatalf("%d bytes answered", h.out)
		}
	})
}

func FuzzScan(f *testing.F) {
	q, _ := (&pgproto3.Query{String: "SELECT 1"}).Encode(nil)
	f.Add(q, 3)
	f.Add(append(q, "d\x00\x00\x00\x09hellod"...), 7)
	f.Fuzz(func(t *testing.T, b []byte, split int) {
		whole, err1 := scanned(b, len(b))
		parts, err2 := scanned(b, max(split, 1))
		if !bytes.Equal(whole, parts) || (err1 == nil) != (err2 == nil) {
			t.Fatalf("split at %d passes %q (%v), whole %q (%v)", split, parts, err2, whole, err1)
		}
	})
}
