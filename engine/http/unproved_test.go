package http

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// A thousand connections that say nothing keep nobody out, and are a hundred at most.
func TestAThousandSilentConnectionsHoldNobodyUp(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpsilent", a)
	g := w.Grant("look", time.Hour)
	before := through(w, g)
	if err := before.Do(t.Context()); err != nil { // somebody who is in already
		t.Fatal(err)
	}
	var silent []net.Conn
	for range 1000 {
		conn, err := net.Dial("tcp", w.Address)
		if errors.Is(err, syscall.ECONNRESET) {
			continue // it was taken in, and gave way to the next, before this side had heard of it
		}
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		silent = append(silent, conn)
	}
	open := len(silent)
	for end := time.Now().Add(10 * time.Second); open > unprovedEach && time.Now().Before(end); { // until all have been taken in
		open = 0
		for _, conn := range silent {
			_ = conn.SetReadDeadline(time.Now().Add(100 * time.Microsecond))
			if _, err := conn.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
				open++
			}
		}
	}
	began := time.Now()
	if err := through(w, g).Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	if err := before.Do(t.Context()); err != nil {
		t.Errorf("who was in is pushed out: %v", err)
	}
	t.Logf("a request beside them took %s; %d of them are open", took.Round(time.Microsecond), open)
	if took > 5*time.Second || open > unprovedEach {
		t.Errorf("it took %s, %d are open", took, open)
	}
}

func TestConnectionsAreCountedByNetworkWhereOneHasMany(t *testing.T) {
	for text, want := range map[string]string{"192.0.2.1:80": "192.0.2.1", "[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64", "[::ffff:192.0.2.1]:80": "192.0.2.1"} {
		a, err := net.ResolveTCPAddr("tcp", text)
		if err != nil {
			t.Fatal(err)
		}
		if got := placeOf(a); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
