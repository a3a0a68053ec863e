package http

import (
	"context"
	"net"
	"testing"
	"time"
)

func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal(what)
	}
}

func TestARunThatEndsMeanwhileClosesTheConnection(t *testing.T) {
	conn, other := net.Pipe()
	defer func() { _ = other.Close() }()
	c := &caller{Conn: conn, among: &unproved{}, gone: make(chan struct{}), runs: map[*run]bool{}}
	r := &run{clients: newBundle()}
	_ = r.clients.Close() // the cut, between join and carries
	within(t, "the connection waits for itself", func() {
		if c.carries(r) {
			t.Error("a run that is over takes a connection")
		}
		<-c.gone
		_ = c.Close()
	})
	if _, err := other.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is open")
	}
}

func TestAFarewellDoesNotWaitForAnIntroduction(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	r := &run{streams: map[stream]bool{}}
	r.introduce = func(context.Context) (string, error) {
		close(asked)
		<-answer
		return "", context.Canceled
	}
	done := make(chan struct{})
	go func() { defer close(done); _, _ = r.introduction(context.Background()) }()
	<-asked
	within(t, "what a farewell needs is held while a token is made", func() { r.holds(&answerless{})() })
	close(answer)
	<-done
}

type answerless struct{ stream }
