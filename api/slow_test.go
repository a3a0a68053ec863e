package api

import (
	"fmt"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// Who asks for much and takes nothing keeps no stream, and no place in the gateway.
func TestAReaderWhoTakesNothingIsLetGo(t *testing.T) {
	o := newOffice(t)
	o.server.slowest = 500 * time.Millisecond
	id, w := o.said("alice", true)
	for i := range uint64(400) { // more than sockets hold
		must(t, w.Write(record.Item{Kind: record.Statement, Ref: i + 1, Text: strings.Repeat("x", 60_000)}))
	}
	server := httptest.NewServer(o.server)
	defer server.Close()
	for _, path := range []string{"/watch", "/transcript"} {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		must(t, err)
		defer func() { _ = c.Close() }()
		before := len(o.events(curfew.KindRecordingWatched))
		_, err = fmt.Fprintf(c, "GET /api/v1/sessions/%s%s HTTP/1.1\r\nHost: curfew.test\r\nAuthorization: Bearer %s\r\n\r\n", id, path, o.token["alice"])
		must(t, err)
		for end := time.Now().Add(10 * time.Second); len(o.events(curfew.KindRecordingWatched)) == before && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		}
	}
	gone := make(chan struct{})
	go func() {
		server.Config.SetKeepAlivesEnabled(false)
		_ = server.Config.Shutdown(t.Context())
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(15 * time.Second):
		t.Fatal("somebody who reads nothing is waited for")
	}
	o.server.streamsMu.Lock()
	defer o.server.streamsMu.Unlock()
	if n := len(o.server.streams); n != 0 {
		t.Errorf("%d people keep streams", n)
	}
}
