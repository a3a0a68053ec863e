package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/client"
)

// Bounds of what is kept to be tagged and compressed; what is larger, and every stream,
// goes out as it comes.
const (
	tagMost    = 4 << 20
	packedFrom = 1 << 10
)

// packed answers a read with a tag, by which a caller that has the same already is told
// so, and compressed where that gains something. What holds a secret of the caller's is
// not compressed: its length would tell (/me).
func packed(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, client.Base) {
		next.ServeHTTP(w, r)
		return
	}
	k := &keeping{ResponseWriter: w, status: http.StatusOK}
	next.ServeHTTP(k, r)
	k.finish(r)
}

// keeping holds an answer back until it is whole, if it is one piece of JSON.
type keeping struct {
	http.ResponseWriter
	status int
	begun  bool // it goes out as it comes
	said   bool // its header was written
	text   bytes.Buffer
}

func (k *keeping) WriteHeader(status int) {
	if k.said {
		return
	}
	k.said, k.status = true, status
	if status != http.StatusOK || k.Header().Get("Content-Type") != "application/json" {
		k.begin()
	}
}

func (k *keeping) begin() {
	if k.begun {
		return
	}
	k.begun = true
	k.ResponseWriter.WriteHeader(k.status)
	_, _ = k.ResponseWriter.Write(k.text.Bytes())
	k.text.Reset()
}

func (k *keeping) Write(b []byte) (int, error) {
	if !k.said {
		k.WriteHeader(http.StatusOK)
	}
	if !k.begun && k.text.Len()+len(b) > tagMost {
		k.begin()
	}
	if k.begun {
		return k.ResponseWriter.Write(b)
	}
	return k.text.Write(b)
}

// Flush is a stream's: from there on it goes out as it comes.
func (k *keeping) Flush() {
	k.said = true
	k.begin()
	_ = http.NewResponseController(k.ResponseWriter).Flush()
}

// Unwrap lets handlers set deadlines.
func (k *keeping) Unwrap() http.ResponseWriter { return k.ResponseWriter }

func (k *keeping) finish(r *http.Request) {
	if k.begun {
		return
	}
	if !k.said { // nothing at all was said
		k.ResponseWriter.WriteHeader(k.status)
		return
	}
	h := k.Header()
	sum := sha256.Sum256(k.text.Bytes())
	tag := `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	h.Set("ETag", tag)
	h.Set("Vary", "Accept-Encoding, Authorization, Cookie")
	for one := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if strings.TrimSpace(one) == tag {
			h.Del("Content-Type")
			k.ResponseWriter.WriteHeader(http.StatusNotModified)
			return
		}
	}
	text := k.text.Bytes()
	if len(text) >= packedFrom && r.URL.Path != client.Base+"/me" && takesGzip(r) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(text) // a Buffer takes all
		_ = z.Close()
		h.Set("Content-Encoding", "gzip")
		text = b.Bytes()
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	k.ResponseWriter.WriteHeader(k.status)
	_, _ = k.ResponseWriter.Write(text)
}

func takesGzip(r *http.Request) bool {
	for one := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(one), ";")
		if strings.EqualFold(name, "gzip") {
			return strings.ReplaceAll(q, " ", "") != "q=0"
		}
	}
	return false
}
