package console

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew"
)

// consolePolicy is what the console's own pages may do: scripts and styles of ours
// alone, none in the page itself. The player of recordings is WebAssembly.
const consolePolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"

// hashed is the folder of files whose names change with what is in them.
const hashed = "assets/"

// files are the console's built files, read once.
type files struct{ byName map[string]*file }

// file is one of them, as it is and compressed.
type file struct {
	kind, tag    string
	plain, small []byte // small is nil where compressing gains nothing
}

func readFiles(dist fs.FS) (*files, error) {
	if dist == nil {
		return nil, nil
	}
	all := &files{map[string]*file{}}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(dist, name)
		all.byName[name] = newFile(name, text)
		return err
	})
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "read the console's files")
	}
	if all.byName["index.html"] == nil {
		return nil, curfew.Errorf(curfew.Internal, "the console's files have no index.html")
	}
	return all, nil
}

func newFile(name string, text []byte) *file {
	f := &file{kind: mime.TypeByExtension(path.Ext(name)), tag: tag(text), plain: text}
	switch path.Ext(name) { // what the machine's own tables say may differ
	case ".js":
		f.kind = "text/javascript; charset=utf-8"
	case ".css":
		f.kind = "text/css; charset=utf-8"
	case ".html":
		f.kind = "text/html; charset=utf-8"
	case ".wasm":
		f.kind = "application/wasm"
	case ".woff2":
		f.kind = "font/woff2"
	case "":
		f.kind = "application/octet-stream"
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one
	_, _ = z.Write(text)                                  // a Buffer takes all
	_ = z.Close()
	if b.Len() < len(text)*9/10 {
		f.small = b.Bytes()
	}
	return f
}

// serve answers with a file, or with the console's page for a path that is one of its
// own; false: there is none.
func (all *files) serve(w http.ResponseWriter, r *http.Request) bool {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	f := all.byName[name]
	keep := "no-cache"
	switch {
	case f != nil && name != "index.html":
		if strings.HasPrefix(name, hashed) {
			keep = "public, max-age=31536000, immutable"
		}
	case path.Ext(name) != "" && name != "index.html" || !strings.Contains(r.Header.Get("Accept"), "text/html"):
		return false
	default:
		f = all.byName["index.html"]
	}
	w.Header().Set("Content-Security-Policy", consolePolicy)
	f.serve(w, r, keep)
	return true
}

func (f *file) serve(w http.ResponseWriter, r *http.Request, keep string) {
	h := w.Header()
	h.Set("Cache-Control", keep)
	h.Set("Vary", "Accept-Encoding")
	text, mark := f.plain, f.tag
	if f.small != nil && accepts(r, "gzip") {
		text, mark = f.small, strings.TrimSuffix(f.tag, `"`)+`-gz"`
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("ETag", mark)
	for one := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == mark {
			h.Del("Content-Encoding")
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Type", f.kind)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(text)
	}
}

// accepts reports whether a client takes an encoding.
func accepts(r *http.Request, encoding string) bool {
	for one := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(one), ";")
		if strings.EqualFold(name, encoding) {
			return strings.ReplaceAll(q, " ", "") != "q=0"
		}
	}
	return false
}
