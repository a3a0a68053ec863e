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
	var text string
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		text = s.text.String()
		i := strings.Index(text[s.seen:], word)
		if i >= 0 {
			s.seen += i + len(word)
		}
		s.mu.Unlock()
		if i >= 0 {
			return
		}
	}
	t.Fatalf("%q does not appear: %q", word, text)
}
