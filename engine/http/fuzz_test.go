package http

import (
	"net/http"
	"strings"
	"testing"
)

// However frames are cut into pieces, their boundaries are where they are.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 x\r\n\r\n\x81\x02hi\x82\x7e\x00\x80"), uint8(3))
	f.Add([]byte("\r\n\r\n\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"), uint8(1))
	f.Add([]byte("\r\r\n\r\n\x88\x00"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, size uint8) {
		whole, pieces := &socket{header: true}, &socket{header: true}
		whole.follow(b)
		for rest := b; len(rest) > 0; {
			n := min(max(int(size), 1), len(rest))
			pieces.follow(rest[:n])
			rest = rest[n:]
		}
		one, many := &frames{}, &frames{}
		text, parts := one.feed(b), []byte(nil)
		for rest := b; len(rest) > 0; {
			n := min(max(int(size), 1), len(rest))
			parts = append(parts, many.feed(rest[:n])...)
			rest = rest[n:]
		}
		if string(text) != string(parts) || one.left != many.left || one.kept > messageLimit || len(one.head) > 14 {
			t.Errorf("%x in pieces of %d: %q and %q", b, size, text, parts)
		}
		if whole.header != pieces.header || whole.left != pieces.left || string(whole.frame) != string(pieces.frame) || len(whole.frame) > 14 {
			t.Errorf("%x in pieces of %d: %+v and %+v", b, size, whole, pieces)
		}
	})
}

// However a Cookie header is written, nothing of ours is left for an application to read.
func FuzzWithoutOurs(f *testing.F) {
	for _, s := range []string{"a=1; __Host-curfew-app=x", "__HOST-curfew=x;b", ";;__Host-curfew-way=", "a=\"; __Host-curfew=x", "__Host-curfew", " \t__Host-curfew-app=x", "a=1,__Host-curfew-app=2", "\x00__Host-curfew-app=x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		h := http.Header{"Cookie": {line, "__Host-curfew-app=second"}}
		withoutOurs(h)
		r := http.Request{Header: h}
		for _, c := range r.Cookies() {
			if strings.HasPrefix(strings.ToLower(c.Name), oursPrefix) {
				t.Errorf("%q leaves %q", line, c.Name)
			}
		}
	})
}
