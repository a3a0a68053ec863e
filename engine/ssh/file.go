package ssh

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew/record"
)

// verdict says a request in words, and why it is refused; "": it is not.
func (s *sftp) verdict(c *call) (what, why string) {
	p := c.resolved[0]
	may := s.r.may
	switch c.kind {
	case fxpOpen:
		return s.open(c, p)
	case fxpOpendir:
		return "list " + p, unless(may.mayRead(p) || may.mayWrite(p), "list "+p)
	case fxpStat, fxpLstat, fxpReadlink:
		return "look at " + p, unless(s.near(p), "look at "+p)
	case fxpRealpath:
		return "find " + p, ""
	case fxpSetstat:
		return "change attributes of " + p, unless(may.mayWrite(p), "change "+p)
	case fxpRemove, fxpRmdir:
		return "remove " + p, unless(may.mayWrite(p), "remove "+p)
	case fxpMkdir:
		return "make folder " + p, unless(may.mayWrite(p), "write "+p)
	case fxpRename:
		return s.rename(p, c.resolved[1])
	case fxpSymlink:
		return s.link("symbolic link", c.resolved)
	}
	switch c.ext {
	case extRename:
		return s.rename(p, c.resolved[1])
	case extHardlink:
		return s.link("link", c.resolved)
	case extStatvfs:
		return "look at the disk of " + p, unless(s.near(p), "look at "+p)
	case extExpand:
		return "find " + p, ""
	case extLsetstat:
		return "change attributes of " + p, unless(may.mayWrite(p), "change "+p)
	}
	return c.ext + " " + p, "it is not understood"
}

func unless(ok bool, what string) string {
	if ok {
		return ""
	}
	return "the role does not " + what
}

func (s *sftp) open(c *call, p string) (what, why string) {
	changes := c.flags&(openWrite|openAppend|openCreate|openTrunc) != 0
	reads := c.flags&openRead != 0
	switch {
	case c.flags&^uint32(openRead|openWrite|openAppend|openCreate|openTrunc|openExcl) != 0 || c.flags&(openRead|openWrite) == 0: // without either, OpenSSH opens it to be read
		return "open " + p, "it is opened in a way that is not known"
	case changes && reads:
		return "read and write " + p, unless(s.r.may.mayRead(p) && s.r.may.mayWrite(p), "read and write "+p)
	case changes:
		return "write " + p, unless(s.r.may.mayWrite(p), "write "+p)
	}
	return "read " + p, unless(s.r.may.mayRead(p), "read "+p)
}

func (s *sftp) rename(from, to string) (what, why string) {
	what, may := "rename "+from+" to "+to, s.r.may
	switch {
	case !may.mayWrite(from) || !may.mayWrite(to):
		return what, unless(false, "write both "+from+" and "+to)
	case s.excepts(from) || s.excepts(to):
		return what, "the role says never to something in it" // which would have another name, or another thing its name
	case !may.mayRead(from) && s.reads(to):
		return what, unless(false, "read "+from+", as it does "+to)
	}
	return what, ""
}

// excepts reports whether the role says never to a file that is p or may lie in it.
func (s *sftp) excepts(p string) bool {
	return slices.ContainsFunc(s.r.may.minus, func(m rule) bool {
		return (m.verb == read || m.verb == write) && !m.all && below(p, m.text)
	})
}

// reads reports whether the role reads p, or something that may lie in it.
func (s *sftp) reads(p string) bool {
	return s.r.may.mayRead(p) || slices.ContainsFunc(s.r.may.of(read), func(r rule) bool { return !r.all && below(p, r.text) })
}

// link: in a role that may not reach every file, a link would lead out of where it may.
func (s *sftp) link(kind string, paths []string) (what, why string) {
	what = "make " + kind + " " + strings.Join(paths, " ")
	if s.whole {
		return what, ""
	}
	return what, "a role for some files makes no links"
}

// near reports whether a path is one that the role reads or writes, or a folder on the way to one.
func (s *sftp) near(p string) bool {
	return s.r.may.mayRead(p) || s.r.may.mayWrite(p) || slices.ContainsFunc(s.r.may.rules, func(r rule) bool {
		return (r.verb == read || r.verb == write) && below(p, path.Clean(r.text))
	})
}

// file is an open file or folder: what went through it, in order as long as it came in order.
type file struct {
	path    string
	ref     uint64
	changes bool
	began   time.Time

	mu       sync.Mutex
	up, down content // guarded by mu
	unhashed bool    // guarded by mu; bytes got into it that were not seen
}

// content is what went one way.
type content struct {
	bytes  int64
	next   uint64
	hash   hash.Hash
	broken bool // not in order from its beginning: there is no hash of it
}

func newFile(c *call) *file {
	return &file{path: c.resolved[0], ref: c.ref, began: time.Now(), changes: c.flags&(openWrite|openAppend|openCreate|openTrunc) != 0}
}

func (c *content) add(offset uint64, b []byte) {
	c.bytes += int64(len(b))
	if c.hash == nil {
		c.hash = sha256.New()
	}
	if c.broken = c.broken || offset != c.next; c.broken {
		return
	}
	c.hash.Write(b)
	c.next += uint64(len(b))
}

func (f *file) wrote(offset uint64, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.up.add(offset, b)
}

func (f *file) got(offset uint64, b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down.add(offset, b)
}

func (f *file) opaque() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unhashed = true
}

// outcome is what became of it.
func (f *file) outcome(fault string) record.Item {
	f.mu.Lock()
	defer f.mu.Unlock()
	it := record.Item{Ref: f.ref, Bytes: f.up.bytes + f.down.bytes, Took: time.Since(f.began), Error: fault}
	c := f.up
	if c.bytes == 0 {
		c = f.down
	}
	switch {
	case c.hash == nil:
	case c.broken || f.unhashed || f.up.bytes > 0 && f.down.bytes > 0:
		it.Tag = "not in order"
	default:
		it.Tag = "sha256:" + hex.EncodeToString(c.hash.Sum(nil))
	}
	return it
}
