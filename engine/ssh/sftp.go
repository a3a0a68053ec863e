package ssh

import (
	"encoding/binary"
	"errors"
	"io"
	"path"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/say"
)

// Bounds of one sftp channel.
const (
	mostCalls = 4096 // requests under way
	mostFiles = 1024 // handles open
)

// sftp stands between an sftp client and its server: it judges and records every
// request, and gives each an identifier of its own towards the host.
type sftp struct {
	r     *relay
	whole bool // the role may do everything with every file: paths need no looking up

	toHost, toClient sync.Mutex // one packet at a time
	host, client     io.Writer

	mu    sync.Mutex
	next  uint32           // guarded by mu
	calls map[uint32]*call // guarded by mu; by our identifier
	files map[string]*file // guarded by mu; by handle
	ready bool             // guarded by mu; the versions have been exchanged

	found chan answer    // what the host said of held requests' paths
	wg    sync.WaitGroup // of the goroutine that reads it
}

// answer is a reply to one of our own requests.
type answer struct {
	held *call
	p    []byte
}

// call is a request under way.
type call struct {
	request
	ref      uint64
	began    time.Time
	resolved []string // paths so far looked up; of a held request
	asking   bool     // it is a realpath of our own for held
	held     *call
	file     *file // of requests with a handle
}

// newSFTP serves a role that moves files.
func newSFTP(c *channel) *sftp {
	all := func(v verb) bool {
		for _, r := range c.r.may.of(v) {
			if r.all {
				return true
			}
		}
		return false
	}
	limited := false
	for _, m := range c.r.may.minus {
		limited = limited || m.verb == read || m.verb == write
	}
	return &sftp{
		r: c.r, whole: all(read) && all(write) && !limited, host: c.host, client: c.client,
		calls: map[uint32]*call{}, files: map[string]*file{}, found: make(chan answer, mostCalls),
	}
}

// subsystem serves sftp. There is no other.
func (c *channel) subsystem(req *ssh.Request) (string, bool) {
	var v struct{ Name string }
	if ssh.Unmarshal(req.Payload, &v) != nil {
		return "", false
	}
	if v.Name != "sftp" {
		return "", c.no("subsystem "+short(v.Name), "this subsystem does not go through the gateway")
	}
	if !c.r.may.transfers() {
		return "", c.no("sftp", "the role moves no files")
	}
	if c.tty != nil {
		return "", false
	}
	c.filter = newSFTP(c)
	return "sftp", true
}

// up reads the client's packets until there are no more.
func (s *sftp) up(from io.Reader, _ io.Writer) error {
	s.wg.Go(s.resume)
	var buf []byte
	for {
		var err error
		if buf, err = readPacket(from, buf); err != nil {
			return err
		}
		if err := s.asked(buf); err != nil {
			return err
		}
	}
}

// asked serves one request: it goes on, is held until its paths are known, or is refused.
func (s *sftp) asked(p []byte) error {
	req, err := parseRequest(p)
	if err != nil {
		return s.fault(err)
	}
	s.mu.Lock()
	ready, room := s.ready, len(s.calls) < mostCalls
	s.ready = true
	s.mu.Unlock()
	switch {
	case (req.kind == fxpInit) == ready:
		return s.fault(errSFTP)
	case req.kind == fxpInit:
		return s.send(framed(binary.BigEndian.AppendUint32([]byte{fxpInit}, 3)))
	case !room:
		return s.answer(status(req.id, statusFailure, "Curfew: too many requests at once"))
	case req.kind == fxpExtended && !known(req.ext):
		return s.answer(status(req.id, statusUnsupported, "Curfew: it is not understood"))
	case req.handle != "":
		return s.onHandle(&call{request: req}, p)
	case len(req.paths) == 0: // limits
		return s.forward(&call{request: req}, p)
	case s.whole || req.kind == fxpRealpath || req.ext == extExpand:
		return s.judge(&call{request: req, resolved: req.paths})
	}
	return s.resolve(&call{request: req})
}

// fault ends a session whose client speaks something else.
func (s *sftp) fault(err error) error {
	_ = s.r.refused("sftp", err.Error())
	return err
}

// add gives a call its identifier.
func (s *sftp) add(c *call) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.next++; s.calls[s.next] != nil; s.next++ { // they wrap
	}
	s.calls[s.next] = c
	return s.next
}

// resolve asks the host what the next path of a held request really is: links and
// dots in it are the host's to follow, before anything is judged.
func (s *sftp) resolve(c *call) error {
	p := c.paths[len(c.resolved)]
	if c.actsOnName() {
		p = parent(p)
	}
	id := s.add(&call{asking: true, held: c})
	return s.send(framed(appendText(binary.BigEndian.AppendUint32([]byte{fxpRealpath}, id), p)))
}

// actsOnName: it is about a name in a folder, not about what a link there leads to.
func (c *call) actsOnName() bool {
	switch c.kind {
	case fxpRemove, fxpRename, fxpLstat, fxpReadlink, fxpMkdir, fxpRmdir, fxpSymlink:
		return true
	}
	return c.kind == fxpExtended && (c.ext == extRename || c.ext == extHardlink || c.ext == extLsetstat)
}

// parent is the folder that a path's last name stands in. A path that ends in a
// dot names a folder by itself.
func parent(p string) string {
	if base := path.Base(p); base == "." || base == ".." || base == "/" {
		return p
	}
	if dir := path.Dir(trimSlashes(p)); dir != "" {
		return dir
	}
	return "."
}

func trimSlashes(p string) string {
	for len(p) > 1 && p[len(p)-1] == '/' {
		p = p[:len(p)-1]
	}
	return p
}

// later has a held request go on, apart from the goroutine that reads what the host
// says: it must never wait for the host to read.
func (s *sftp) later(held *call, p []byte) error {
	select {
	case s.found <- answer{held, append([]byte(nil), p...)}:
		return nil
	default:
		return errors.New("too many requests are held at once")
	}
}

func (s *sftp) resume() {
	for a := range s.found {
		if s.looked(a.held, a.p) != nil {
			for range s.found { // the channel is about to be closed
			}
			return
		}
	}
}

// looked takes the host's answer to resolve.
func (s *sftp) looked(c *call, p []byte) error {
	if p[0] == fxpStatus { // there is none, and the host says so
		binary.BigEndian.PutUint32(p[1:], c.id)
		return s.answer(p)
	}
	if p[0] != fxpName {
		return errAnswer
	}
	real, err := parseName(p)
	if err != nil || !path.IsAbs(real) || path.Clean(real) != real {
		return s.answer(status(c.id, statusFailure, "Curfew: the host knows no such path"))
	}
	if asked := c.paths[len(c.resolved)]; c.actsOnName() && parent(asked) != asked {
		real = path.Join(real, path.Base(asked))
	}
	if c.resolved = append(c.resolved, real); len(c.resolved) < len(c.paths) {
		return s.resolve(c)
	}
	return s.judge(c)
}

// judge decides about a request whose paths are known, and sends it on with them.
func (s *sftp) judge(c *call) error {
	what, why := s.verdict(c)
	if why != "" {
		if err := s.r.refused(what, why); err != nil {
			return err
		}
		return s.answer(status(c.id, statusDenied, "Curfew: "+say.Clean(why, 300)))
	}
	var err error
	if c.ref, err = s.r.begin(what, ""); err != nil {
		return err
	}
	if c.kind == fxpOpen || c.kind == fxpOpendir {
		c.file = newFile(c)
	}
	return s.forward(c, c.withPaths(c.id, c.resolved))
}

// onHandle serves a request about an open file.
func (s *sftp) onHandle(c *call, p []byte) error {
	s.mu.Lock()
	c.file = s.files[c.handle]
	other := s.files[c.to]
	s.mu.Unlock()
	if c.file == nil || c.to != "" && other == nil {
		return s.answer(status(c.id, statusFailure, "Curfew: there is no such handle"))
	}
	switch {
	case c.kind == fxpWrite:
		c.file.wrote(c.offset, c.data)
	case c.kind == fxpFsetstat && !c.file.changes:
		return s.answer(status(c.id, statusDenied, "Curfew: the file was not opened to be changed"))
	case c.ext == extCopy && !other.changes:
		return s.answer(status(c.id, statusDenied, "Curfew: the file was not opened to be changed"))
	case c.ext == extCopy:
		other.opaque()
	}
	if c.kind == fxpFsetstat || c.ext == extCopy {
		var err error
		what := "change attributes of " + c.file.path
		if c.ext == extCopy {
			what = "copy " + c.file.path + " into " + other.path
		}
		if c.ref, err = s.r.begin(what, ""); err != nil {
			return err
		}
	}
	return s.forward(c, p)
}

// forward sends a request on under an identifier of ours.
func (s *sftp) forward(c *call, p []byte) error {
	c.began = time.Now()
	id := s.add(c)
	c.data = nil // it is in p, whose memory is used again
	b := framed(p)
	binary.BigEndian.PutUint32(b[5:], id)
	return s.send(b)
}

func (s *sftp) send(b []byte) error {
	s.toHost.Lock()
	defer s.toHost.Unlock()
	_, err := s.host.Write(b)
	return err
}

func (s *sftp) answer(p []byte) error {
	s.toClient.Lock()
	defer s.toClient.Unlock()
	_, err := s.client.Write(framed(p))
	return err
}

// down reads the host's packets until there are no more.
func (s *sftp) down(from io.Reader, _ io.Writer) error {
	var buf []byte
	for first := true; ; first = false {
		var err error
		if buf, err = readPacket(from, buf); err != nil {
			return err
		}
		if first {
			v, err := version(buf)
			if err != nil {
				return err
			}
			if err := s.answer(v); err != nil {
				return err
			}
			continue
		}
		if err := s.answered(buf); err != nil {
			return err
		}
	}
}

var errAnswer = errors.New("the host answered what was not asked")

// answered takes one reply.
func (s *sftp) answered(p []byte) error {
	id := binary.BigEndian.Uint32(p[1:])
	s.mu.Lock()
	c := s.calls[id]
	delete(s.calls, id)
	s.mu.Unlock()
	if c == nil {
		return errAnswer
	}
	if c.asking {
		return s.later(c.held, p)
	}
	if err := s.settle(c, p); err != nil {
		return err
	}
	binary.BigEndian.PutUint32(p[1:], c.id)
	return s.answer(p)
}

// settle notes how a request went.
func (s *sftp) settle(c *call, p []byte) error {
	it := record.Item{Ref: c.ref, Took: time.Since(c.began)}
	switch p[0] {
	case fxpHandle:
		return s.opened(c, p)
	case fxpData:
		in := cursor{rest: p[5:]}
		data := in.bytes(maxPacket)
		if c.file == nil || c.kind != fxpRead || in.fault {
			return errAnswer
		}
		c.file.got(c.offset, data)
	case fxpStatus:
		code, text, err := parseStatus(p)
		if err != nil {
			return err
		}
		if code != statusOK && code != statusEOF {
			it.Error = say.Clean(text, 300)
		}
		if c.kind == fxpClose {
			return s.closed(c)
		}
	case fxpName, fxpAttrs, fxpExtendedReply:
	default:
		return errAnswer
	}
	if c.ref != 0 {
		s.r.settle(it)
	}
	return nil
}

func (s *sftp) opened(c *call, p []byte) error {
	in := cursor{rest: p[5:]}
	handle := in.text(maxHandle)
	if in.fault || handle == "" || c.file == nil || c.kind != fxpOpen && c.kind != fxpOpendir {
		return errAnswer
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.files) >= mostFiles {
		return errors.New("too many files are open at once")
	}
	s.files[handle] = c.file
	return nil
}

func (s *sftp) closed(c *call) error {
	s.mu.Lock()
	if s.files[c.handle] == c.file {
		delete(s.files, c.handle)
	}
	s.mu.Unlock()
	s.r.settle(c.file.outcome(""))
	return nil
}

// end settles what was not closed.
func (s *sftp) end() {
	close(s.found)
	s.wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.files {
		s.r.settle(f.outcome("it was not closed"))
	}
	clear(s.files)
}
