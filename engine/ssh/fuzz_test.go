package ssh

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
)

// FuzzRequest: whatever parses says all of what it is, and is written as it was read.
func FuzzRequest(f *testing.F) {
	f.Add(appendText([]byte{fxpStat, 0, 0, 0, 1}, "/etc"))
	f.Add(append(appendText([]byte{fxpOpen, 0, 0, 0, 1}, "a"), 0, 0, 0, 1, 0, 0, 0, 0))
	f.Add(append(appendText([]byte{fxpMkdir, 0, 0, 0, 1}, "a"), 0, 0, 0, 4, 0, 0, 1, 0xed))
	f.Add(appendText(appendText([]byte{fxpRename, 0, 0, 0, 1}, "a"), "b"))
	f.Add(appendText(appendText(appendText([]byte{fxpExtended, 0, 0, 0, 1}, extRename), "a"), "b"))
	f.Add(append(appendText([]byte{fxpWrite, 0, 0, 0, 1}, "h"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'x'))
	f.Add([]byte{fxpInit, 0, 0, 0, 3})
	f.Add([]byte{fxpOpen, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, p []byte) {
		r, err := parseRequest(p)
		if err != nil {
			return
		}
		for _, path := range r.paths {
			if len(path) > maxPath || bytes.IndexByte([]byte(path), 0) >= 0 {
				t.Fatalf("a path of %d bytes", len(path))
			}
		}
		if len(r.paths) > 0 {
			if again := r.withPaths(r.id, r.paths); !bytes.Equal(again, p) {
				t.Fatalf("%x is written as %x", p, again)
			}
		}
	})
}

// FuzzPackets: however the bytes are cut, packets are whole and bounded, and what is no packet ends it.
func FuzzPackets(f *testing.F) {
	f.Add(framed(status(1, statusDenied, "no")), 3)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1}, 1)
	f.Add([]byte{0, 0, 0, 0}, 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		r := io.Reader(bytes.NewReader(b))
		if n > 0 && n < len(b) {
			r = io.MultiReader(bytes.NewReader(b[:n]), bytes.NewReader(b[n:]))
		}
		var buf []byte
		var err error
		for read := 0; ; read += 4 + len(buf) {
			if buf, err = readPacket(r, buf); err != nil {
				break
			}
			if len(buf) < 5 || len(buf) > maxPacket || !bytes.Equal(buf, b[read+4:read+4+len(buf)]) {
				t.Fatal("another packet than was sent")
			}
			_, _, _ = parseStatus(buf)
			_, _ = parseName(buf)
			if v, err := version(buf); err == nil && binary.BigEndian.Uint32(v[1:]) != 3 {
				t.Fatal("another version")
			}
		}
	})
}

// FuzzSCP: however it is cut, the decoder comes to the same.
func FuzzSCP(f *testing.F) {
	f.Add([]byte("T1 0 1 0\nC0644 3 a\nabc\x00D0755 0 d\nC0600 0 b\n\x00E\n"), 7)
	f.Add([]byte("C0644 99999999999999999999 a\n"), 1)
	f.Add([]byte("C0644 1 ../a\nx\x00"), 1)
	f.Add([]byte("\x01scp: no\n"), 2)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		var ends [2]error
		var files [2]int
		for i, cut := range []int{0, min(max(n, 0), len(b))} {
			d := &scpFiles{}
			for _, part := range [][]byte{b[:cut], b[cut:]} {
				if ends[i] = d.follow(part); ends[i] != nil {
					break
				}
			}
			files[i] = d.files
		}
		if (ends[0] == nil) != (ends[1] == nil) || files[0] != files[1] {
			t.Fatalf("%v %v, %v %v", files[0], ends[0], files[1], ends[1])
		}
	})
}

// FuzzTerminal: nothing that is typed or shown is too much, and what is recorded is what was shown.
func FuzzTerminal(f *testing.F) {
	f.Add([]byte("ls\r"), []byte("ls\r\nfile\r\n$ \x1b[?1049h"), 3)
	f.Add([]byte("p\xc3\xa9\r"), []byte("\xc3\xa9\xff\x1b[?47l"), 1)
	f.Fuzz(func(t *testing.T, typed, shown []byte, n int) {
		m := &terminal{}
		m.pending = append(m.pending, typed...)
		n = min(max(n, 0), len(shown))
		for _, part := range [][]byte{shown[:n], shown[n:]} {
			m.follow(part)
			m.seen(part)
		}
		if len(m.tail) > tailLength || partial(string(shown)) > 3 {
			t.Fatal("it keeps more than it may")
		}
	})
}

// FuzzPermission: what a permission covers may do nothing that it may not do itself.
func FuzzPermission(f *testing.F) {
	f.Add("run x *\nread /a/**", "", "run x y\nread /a/b", "read /a/b", "x y", "/a/b", "db", uint32(1))
	f.Add("run anything\nwrite /a/**\nforward db:*", "write /a/b", "write /a/**\nforward DB:5", "", "x", "/a/b", "db", uint32(5))
	f.Add("run tail **\nshell", "", "run tail -f x\npty", "run tail *", "tail -f x", "/", "h", uint32(0))
	f.Fuzz(func(t *testing.T, mayA, neverA, mayB, neverB, command, path, host string, port uint32) {
		lines := func(s string) (out []string) {
			for _, l := range strings.Split(s, "\n") {
				if l != "" {
					out = append(out, l)
				}
			}
			return out
		}
		a := curfew.Permission{May: append(lines(mayA), "login deploy"), Never: lines(neverA)}
		b := curfew.Permission{May: append(lines(mayB), "login deploy"), Never: lines(neverB)}
		pa, err1 := parse(a)
		pb, err2 := parse(b)
		e := New(Keys{})
		if effect, _ := e.Effect(a); effect == "" || err1 == nil && !e.Covers(a, a) {
			t.Fatalf("%q %q", a, effect)
		}
		if err1 != nil || err2 != nil || !e.Covers(a, b) {
			return
		}
		for name, may := range map[string]func(permission) bool{
			"run": func(p permission) bool { return p.mayRun(command) }, "read": func(p permission) bool { return p.mayRead(path) },
			"write": func(p permission) bool { return p.mayWrite(path) }, "forward": func(p permission) bool { return p.mayForward(host, port) },
			"listen": func(p permission) bool { return p.mayListen(host, port) }, "shell": func(p permission) bool { return p.has(shell) },
			"terminal": permission.mayPTY, "agent": func(p permission) bool { return p.has(agent) },
		} {
			if may(pb) && !may(pa) {
				t.Fatalf("%q covers %q, which may %s", a, b, name)
			}
		}
	})
}

// FuzzScanCommand: what is taken for scp's own command names one path and nothing else.
func FuzzScanCommand(f *testing.F) {
	f.Add("scp -r -t /srv")
	f.Add("scp -f -- a;id")
	f.Fuzz(func(t *testing.T, command string) {
		if path, _, ok := scpCommand(command); ok && !plain(path, false) {
			t.Fatal(path)
		}
		var v ptyRequest
		_ = ssh.Unmarshal([]byte(command), &v)
	})
}
