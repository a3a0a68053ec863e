package http

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"unicode/utf8"

	"github.com/curfewhq/curfew/record"
)

// Limits of bodies in a recording, where the policy has them recorded: bytes of one
// request or answer. What is beyond is counted.
const bodyLimit = 16 << 10

// body counts what is read of it.
type body struct {
	io.ReadCloser
	count *counter
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.count.Add(int64(n))
	return n, err
}

// take reads the beginning of a request's body, to be recorded before it is sent.
func (x *exchange) take(req *http.Request) ([]record.Value, error) {
	if !x.run.s.Permit().Grant().Record.Results() || req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	start, err := io.ReadAll(io.LimitReader(req.Body, bodyLimit))
	if err != nil {
		return nil, err
	}
	v := valueOf(start)
	if req.ContentLength > int64(len(start)) {
		v.Cut = int(req.ContentLength) - len(start)
	}
	rest := req.Body
	req.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), rest), rest}
	return []record.Value{v}, nil
}

func valueOf(b []byte) record.Value {
	for cut := range utf8.UTFMax { // a character at the end may be cut in two
		if cut < len(b) && utf8.Valid(b[:len(b)-cut]) {
			return record.Value{Text: string(b[:len(b)-cut]), Cut: cut}
		}
	}
	return record.Value{Binary: true, Text: hex.EncodeToString(b)}
}

// show counts an answer's body, and has its beginning recorded before it goes on.
func (x *exchange) show(res *http.Response) error {
	if res.StatusCode == http.StatusSwitchingProtocols {
		return nil // the proxy needs its body as it is
	}
	b := &shown{body: body{ReadCloser: res.Body, count: &x.back}, x: x}
	if x.run.s.Permit().Grant().Record.Results() {
		b.left = bodyLimit
	}
	res.Body = b
	return nil
}

// shown is an answer's body.
type shown struct {
	body
	x    *exchange
	left int
}

func (b *shown) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if n > 0 && b.left > 0 {
		m := min(n, b.left)
		b.left -= m
		it := record.Item{Kind: record.Result, Ref: b.x.ref, Table: [][]record.Value{{valueOf(p[:m])}}}
		if b.left == 0 {
			it.Text = "(the rest is not recorded)"
		}
		if bad := b.x.run.s.Observe(it); bad != nil {
			return 0, bad
		}
	}
	return n, err
}
