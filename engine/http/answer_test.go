package http

import "testing"

func TestBetweenTwoEvents(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "data: 1\n\n": true, "data: 1\r\n\r\n": true, "data: 1\r\r": true, "data: 1\n\r\n": true, "data: 1\r\n\n": true, ": x\n\n\n": true,
		"data: 1\n": false, "data: 1\r\n": false, "data: 1\r": false, "data": false, "data: 1\n\nd": false, "data: 1\r\n\r\nid": false, "data: 1\n\nid: 2\n": false,
	} {
		for size := 1; size <= max(len(text), 1); size++ { // however it is cut into pieces
			at := tail("\n\n")
			for rest := []byte(text); len(rest) > 0; {
				n := min(size, len(rest))
				at = at.after(rest[:n])
				rest = rest[n:]
			}
			if at.between() != want {
				t.Errorf("%q in pieces of %d: %v", text, size, !want)
			}
		}
	}
}
