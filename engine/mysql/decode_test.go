package mysql

import (
	"bytes"
	"strings"
	"testing"

	"github.com/curfewhq/curfew/record"
)

func FuzzHello(f *testing.F) {
	whole := appendHello(hello{
		capabilities: longPassword | meaning | needed | connectAttrs | lenencAuth | withDatabase, charset: utf8mb4, user: "c_01", proof: []byte("proof"), database: "shop", plugin: cachingSHA2, program: "client",
	})
	f.Add(whole)
	f.Add(whole[:tlsRequestBytes])
	f.Add([]byte{0, 2, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := parseHello(b)
		if err == nil && (len(h.user) > len(b) || len(h.proof) > len(b) || len(h.program) > len(b)) {
			t.Error("more than there was")
		}
	})
}

func FuzzGreeting(f *testing.F) {
	f.Add(greeting(7, newSalt(), offered))
	f.Add(errPayload(1040, "08004", "Too many connections"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := parseGreeting(b); err == nil && len(g.salt) != saltBytes {
			t.Error("a salt of another length")
		}
	})
}

func FuzzExecute(f *testing.F) {
	f.Add(uint32(2), []byte{0, 1, 0, 0, 0, 0, 1, 3, 0, 0xfd, 0, 7, 0, 0, 0, 2, 'a', 'b'})
	f.Add(uint32(1), []byte{0, 1, 0, 0, 0, 1, 1, 6, 0})
	f.Add(uint32(3), []byte{0, 1, 0, 0, 0, 0, 1, 0x0c, 0, 0x0b, 0, 5, 0, 4, 0xea, 7, 3, 4, 8, 0, 1, 0, 0, 0, 2, 3, 4})
	f.Fuzz(func(t *testing.T, params uint32, b []byte) {
		s := &plan{params: params % (1 << 16)}
		values, err := s.bind(&cursor{b: b})
		if err == nil && len(values) != int(s.params) {
			t.Errorf("%d values of %d", len(values), s.params)
		}
	})
}

// FuzzAnswer feeds packets to every shape of answer: it ends, or goes on, or is refused.
func FuzzAnswer(f *testing.F) {
	f.Add(byte(results), []byte{1}, []byte{0xfe, 0, 0, 2, 0}, []byte{0xfe, 0, 0, 2, 0})
	f.Add(byte(planned), []byte{0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0}, []byte{0xfe, 0, 0, 2, 0}, []byte{0xfe, 0, 0, 2, 0})
	f.Add(byte(results), []byte{localInfile, '/'}, []byte{}, []byte{})
	f.Add(byte(fetched), errPayload(1064, "42000", "no"), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, shape byte, a, b, c []byte) {
		ans := newAnswer(shapeOf(shape%4), 1)
		ans.kept = &kept{binary: shape >= 128}
		for _, p := range [][]byte{a, b, c} {
			first := byte(0)
			if len(p) > 0 {
				first = p[0]
			}
			for ans.at == definitions && ans.left > 0 {
				ans.passed(nil, new(int))
			}
			if !ans.looks(len(p), first) {
				ans.passed(p, new(int))
				continue
			}
			told, err := ans.see(p)
			if told.warnings > 0 && told.warnings+2 > len(p) {
				t.Error("the count of warnings stands behind the end")
			}
			if err != nil || told.done {
				return
			}
		}
	})
}

func FuzzPermission(f *testing.F) {
	for _, s := range []string{"read orders", "read `a``b`.c (d, e)", "create in database x", "call a.b", "read *", "read a.*", "update orders ("} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := parseRule(line)
		if err == nil && !r.covers(r) {
			t.Errorf("%q does not cover itself", line)
		}
	})
}

func FuzzShape(f *testing.F) {
	f.Add("SELECT 'a', \"b\", 1 FROM `t` -- x\n# y\n/* z */")
	f.Fuzz(func(_ *testing.T, s string) { shape(s) })
}

func TestATargetThatAsksForAFileIsRefused(t *testing.T) {
	if _, err := newAnswer(results, 1).see(append([]byte{localInfile}, "/etc/passwd"...)); err != errInfile { //nolint:errorlint // this one
		t.Errorf("%v", err)
	}
}

func TestCommandsAreReadWholeAndInOrder(t *testing.T) {
	big := bytes.Repeat([]byte{'x'}, maxPayload+5)
	var in []byte
	in = append(in, 0xff, 0xff, 0xff, 0)
	in = append(in, big[:maxPayload]...)
	in = appendPacket(in, 1, big[maxPayload:])
	in = appendPacket(in, 0, []byte{comPing})
	c := &commands{in: newBuffer(), from: bytes.NewReader(in)}
	first, err := c.next()
	must(t, err)
	if len(first.payload) != len(big) || first.seq != 1 || len(first.raw) != len(big)+2*headerBytes {
		t.Errorf("%d bytes, number %d", len(first.payload), first.seq)
	}
	second, err := c.next()
	if err != nil || len(second.payload) != 1 || second.payload[0] != comPing {
		t.Errorf("%+v, %v", second, err)
	}
	c = &commands{in: newBuffer(), from: bytes.NewReader(appendPacket(nil, 3, []byte{comPing}))}
	if _, err := c.next(); err == nil {
		t.Error("a packet out of order passes")
	}
	long := bytes.Repeat([]byte{0xff, 0xff, 0xff, 0}, 1)
	c = &commands{in: newBuffer(), from: bytes.NewReader(long)}
	if _, err := c.next(); err == nil {
		t.Error("a claim without its bytes passes")
	}
	if len(c.in.b) > bulkBuffer {
		t.Errorf("a claim took %d bytes", len(c.in.b))
	}
}

func TestBothProofsAreWhatServersExpect(t *testing.T) {
	salt := []byte("abcdefghijklmnopqrst")
	// Of the password "secret", by MariaDB's PASSWORD().
	if got := nativeHash("secret"); got != "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7" {
		t.Error(got)
	}
	keys, err := newKeyPair()
	must(t, err)
	b, err := encryptPassword("secret", salt, keys.public)
	must(t, err)
	if got, ok := keys.decrypt(b, salt); !ok || got != "secret" {
		t.Errorf("%q", got)
	}
	if got, ok := keys.decrypt(b, []byte("another salt of 20 b")); ok && got == "secret" {
		t.Error("a proof for another connection fits")
	}
	if _, ok := keys.decrypt([]byte("short"), salt); ok {
		t.Error("what is no proof opens")
	}
}

func TestShapesShowNoValue(t *testing.T) {
	for in, want := range map[string]string{
		`SELECT * FROM t WHERE a = 'canary' AND b = "canary" AND c=17`: "SELECT * FROM t WHERE a = ? AND b = ? AND c=?",
		"INSERT INTO `t` VALUES (0xCAFE, 'it''s') -- canary":           "INSERT INTO `t` VALUES (?, ?) --",
		"SELECT 1 # canary\n, 2 /* canary */":                          "SELECT ? --\n, ? /**/",
		`SELECT '\', 'canary'`:                                         "SELECT ?",
	} {
		if got := shape(in); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	it := New().Shape(record.Item{Kind: record.Statement, Text: "SELECT 'canary'", Values: []record.Value{{Text: "canary"}}, Error: "canary", Rows: 4})
	if strings.Contains(it.Text+it.Values[0].Text+it.Error, "canary") || it.Rows != 0 {
		t.Errorf("%+v", it)
	}
	if it := statementItem(1, "SET PASSWORD = PASSWORD('canary')", nil); strings.Contains(it.Text, "canary") {
		t.Error(it.Text)
	}
}

// FuzzCommands reads commands from a stream: whole, in order, or not at all.
func FuzzCommands(f *testing.F) {
	f.Add(appendPacket(appendPacket(nil, 0, []byte{comQuery, 'x'}), 0, []byte{comPing}))
	f.Add([]byte{1, 0, 0, 1, comPing})
	f.Add([]byte{0xff, 0xff, 0xff, 0, 3})
	f.Add([]byte{0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := &commands{in: newBuffer(), from: bytes.NewReader(b)}
		read := 0
		for {
			c, err := in.next()
			if err != nil {
				return
			}
			if read += len(c.raw); read > len(b) || len(c.payload)+headerBytes > len(c.raw) && len(c.raw) < maxPayload {
				t.Fatal("more than there was")
			}
		}
	})
}

// FuzzRows reads rows of both protocols where results are recorded.
func FuzzRows(f *testing.F) {
	f.Add(byte(0xfd), []byte{3, 'a', 'b', 'c', 0xfb})
	f.Add(byte(3), []byte{0, 0, 7, 0, 0, 0, 7, 0, 0, 0})
	f.Add(byte(12), []byte{0, 0, 11, 0, 0, 4, 0xea, 7, 3, 4})
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		for _, binary := range []bool{false, true} {
			k := &kept{binary: binary, fields: []field{{name: "a", kind: kind}, {name: "b", kind: kind, unsigned: true}}}
			if values, ok := k.values(b); ok && len(values) != 2 {
				t.Errorf("%d values", len(values))
			}
		}
		textRow(b)
	})
}
