package ssh

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// screen collects what a program shows.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
	seen int
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// await waits for a word behind the last one that was waited for.
func (s *screen) await(t *testing.T, word string) {
	t.Helper()
	if !s.comes(word, 15*time.Second) {
		s.mu.Lock()
		defer s.mu.Unlock()
		t.Fatalf("%q does not appear: %q", word, s.text.String())
	}
}

// comes waits so long for a word behind the last one.
func (s *screen) comes(word string, most time.Duration) bool {
	for end := time.Now().Add(most); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		i := strings.Index(s.text.String()[s.seen:], word)
		if i >= 0 {
			s.seen += i + len(word)
		}
		s.mu.Unlock()
		if i >= 0 {
			return true
		}
	}
	return false
}
