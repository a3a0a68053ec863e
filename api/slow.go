package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// slowest is how long a reader may take nothing of what it is sent.
const slowest = 30 * time.Second

// patient writes an answer that has no end of its own to a reader who may be slow, and
// not for ever: it would keep its place, its recording and its sign-in's stream.
type patient struct {
	http.ResponseWriter
	at     *http.ResponseController
	atMost time.Duration
}

func (s *Server) patient(h huma.Context) *patient {
	w := h.BodyWriter().(http.ResponseWriter) //nolint:forcetypeassert // humago's is one
	return &patient{w, http.NewResponseController(w), s.slowest}
}

func (p *patient) Write(b []byte) (int, error) {
	_ = p.at.SetWriteDeadline(time.Now().Add(p.atMost)) // a writer without deadlines is no network's
	n, err := p.ResponseWriter.Write(b)
	if err == nil {
		_ = p.at.SetWriteDeadline(time.Time{}) // the connection may be used again
	}
	return n, err
}

// Flush sends what was written.
func (p *patient) Flush() {
	_ = p.at.SetWriteDeadline(time.Now().Add(p.atMost))
	if p.at.Flush() == nil {
		_ = p.at.SetWriteDeadline(time.Time{})
	}
}
