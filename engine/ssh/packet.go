package ssh

import (
	"encoding/binary"
	"errors"
	"io"
)

// SFTP, version 3 (draft-ietf-secsh-filexfer-02), as OpenSSH speaks it.
const (
	fxpInit          = 1
	fxpVersion       = 2
	fxpOpen          = 3
	fxpClose         = 4
	fxpRead          = 5
	fxpWrite         = 6
	fxpLstat         = 7
	fxpFstat         = 8
	fxpSetstat       = 9
	fxpFsetstat      = 10
	fxpOpendir       = 11
	fxpReaddir       = 12
	fxpRemove        = 13
	fxpMkdir         = 14
	fxpRmdir         = 15
	fxpRealpath      = 16
	fxpStat          = 17
	fxpRename        = 18
	fxpReadlink      = 19
	fxpSymlink       = 20
	fxpStatus        = 101
	fxpHandle        = 102
	fxpData          = 103
	fxpName          = 104
	fxpAttrs         = 105
	fxpExtended      = 200
	fxpExtendedReply = 201
)

// Flags of an open, and codes of a status.
const (
	openRead   = 0x01
	openWrite  = 0x02
	openAppend = 0x04
	openCreate = 0x08
	openTrunc  = 0x10
	openExcl   = 0x20

	statusOK          = 0
	statusEOF         = 1
	statusDenied      = 3
	statusFailure     = 4
	statusUnsupported = 8
)

// Bounds of a packet: OpenSSH's own (SFTP_MAX_MSG_LENGTH), and of a handle (draft, 6.3).
const (
	maxPacket = 256 << 10
	maxHandle = 256
)

var errSFTP = errors.New("this is not the SFTP protocol, version 3")

// readPacket reads one packet into buf, which it returns, grown: a kind and a body.
func readPacket(r io.Reader, buf []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return buf, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 5 || n > maxPacket {
		return buf, errSFTP
	}
	if uint32(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err := io.ReadFull(r, buf)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return buf, err
}

// framed puts its length before a packet.
func framed(p []byte) []byte {
	return append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(p)), uint32(len(p))), p...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// cursor reads the fields of a packet; after a fault everything is zero.
type cursor struct {
	rest  []byte
	fault bool
}

func (c *cursor) take(n int) []byte {
	if c.fault || n < 0 || len(c.rest) < n {
		c.fault = true
		return nil
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func (c *cursor) u32() uint32 {
	if b := c.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (c *cursor) bytes(most int) []byte {
	n := c.u32()
	if n > uint32(most) {
		c.fault = true
		return nil
	}
	return c.take(int(n))
}

func (c *cursor) text(most int) string { return string(c.bytes(most)) }

// Flags of attributes (draft, 5).
const (
	attrSize     = 0x01
	attrOwner    = 0x02
	attrMode     = 0x04
	attrTimes    = 0x08
	attrExtended = 0x80000000
)

// attrs passes over attributes, and returns them as they are.
func (c *cursor) attrs() []byte {
	start := c.rest
	flags := c.u32()
	if flags&^uint32(attrSize|attrOwner|attrMode|attrTimes) != 0 { // no extended ones: nobody uses them
		c.fault = true
	}
	for _, f := range []struct {
		flag uint32
		n    int
	}{{attrSize, 8}, {attrOwner, 8}, {attrMode, 4}, {attrTimes, 8}} {
		if flags&f.flag != 0 {
			c.take(f.n)
		}
	}
	if c.fault {
		return nil
	}
	return start[:len(start)-len(c.rest)]
}

// request is what a client asks.
type request struct {
	kind   byte
	id     uint32
	ext    string   // of an extended one: its name
	paths  []string // one, or two of those that join them
	handle string
	to     string // the other handle of copy-data
	offset uint64
	n      uint32 // bytes to read
	flags  uint32 // of an open
	data   []byte // of a write
	tail   []byte // attributes and the like, which go on as they are
}

// Extensions of OpenSSH that are understood (PROTOCOL, 4).
const (
	extRename   = "posix-rename@openssh.com"
	extStatvfs  = "statvfs@openssh.com"
	extFstatvfs = "fstatvfs@openssh.com"
	extHardlink = "hardlink@openssh.com"
	extFsync    = "fsync@openssh.com"
	extLsetstat = "lsetstat@openssh.com"
	extLimits   = "limits@openssh.com"
	extExpand   = "expand-path@openssh.com"
	extCopy     = "copy-data"
)

// parseRequest reads a whole packet of the client's, to its last byte.
func parseRequest(p []byte) (request, error) {
	c := cursor{rest: p}
	kind := c.take(1)
	if kind == nil {
		return request{}, errSFTP
	}
	r := request{kind: kind[0], id: c.u32()}
	switch r.kind {
	case fxpInit: // its number is the version
		c.rest = nil // extensions, which servers pass over
	case fxpOpen:
		r.paths = []string{c.text(maxPath)}
		r.flags = c.u32()
		r.tail = c.attrs()
	case fxpClose, fxpFstat, fxpReaddir:
		r.handle = c.text(maxHandle)
	case fxpRead:
		r.handle, r.offset, r.n = c.text(maxHandle), c.u64(), c.u32()
	case fxpWrite:
		r.handle, r.offset, r.data = c.text(maxHandle), c.u64(), c.bytes(maxPacket)
	case fxpLstat, fxpStat, fxpOpendir, fxpRemove, fxpRmdir, fxpRealpath, fxpReadlink:
		r.paths = []string{c.text(maxPath)}
	case fxpSetstat, fxpMkdir:
		r.paths = []string{c.text(maxPath)}
		r.tail = c.attrs()
	case fxpFsetstat:
		r.handle, r.tail = c.text(maxHandle), c.attrs()
	case fxpRename, fxpSymlink:
		r.paths = []string{c.text(maxPath), c.text(maxPath)}
	case fxpExtended:
		c.extended(&r)
	default:
		return r, errSFTP
	}
	if c.fault || len(c.rest) > 0 {
		return r, errSFTP
	}
	for _, path := range r.paths {
		for i := range len(path) {
			if path[i] == 0 {
				return r, errSFTP
			}
		}
	}
	return r, nil
}

func (c *cursor) extended(r *request) {
	r.ext = c.text(64)
	switch r.ext {
	case extRename, extHardlink:
		r.paths = []string{c.text(maxPath), c.text(maxPath)}
	case extStatvfs, extExpand:
		r.paths = []string{c.text(maxPath)}
	case extLsetstat:
		r.paths = []string{c.text(maxPath)}
		r.tail = c.attrs()
	case extFstatvfs, extFsync:
		r.handle = c.text(maxHandle)
	case extLimits:
	case extCopy:
		r.handle = c.text(maxHandle)
		r.tail = c.take(16) // where from, how much
		r.to = c.text(maxHandle)
		r.offset = c.u64()
	default:
		c.rest = nil // refused as unsupported, whatever it says
	}
}

// known reports whether an extension is understood.
func known(ext string) bool {
	switch ext {
	case extRename, extStatvfs, extFstatvfs, extHardlink, extFsync, extLsetstat, extLimits, extExpand, extCopy:
		return true
	}
	return false
}

// withPaths is the packet of a request about paths, with other ones.
func (r request) withPaths(id uint32, paths []string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{r.kind}, id)
	if r.kind == fxpExtended {
		b = appendText(b, r.ext)
	}
	for _, p := range paths {
		b = appendText(b, p)
	}
	if r.kind == fxpOpen {
		b = binary.BigEndian.AppendUint32(b, r.flags)
	}
	return append(b, r.tail...)
}

// status is a packet that says how a request went.
func status(id, code uint32, text string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{fxpStatus}, id)
	b = binary.BigEndian.AppendUint32(b, code)
	return appendText(appendText(b, text), "en")
}

// parseStatus reads one.
func parseStatus(p []byte) (code uint32, text string, err error) {
	c := cursor{rest: p}
	c.take(5)
	code = c.u32()
	if c.fault {
		return 0, "", errSFTP
	}
	text = c.text(1 << 10) // old servers send none
	return code, text, nil
}

// parseName reads the one path of a reply to realpath.
func parseName(p []byte) (string, error) {
	c := cursor{rest: p}
	c.take(5)
	if n := c.u32(); n != 1 {
		return "", errSFTP
	}
	path := c.text(maxPath)
	if c.fault {
		return "", errSFTP
	}
	return path, nil
}

// version is the server's first packet with those extensions that are understood.
func version(p []byte) ([]byte, error) {
	c := cursor{rest: p}
	c.take(1)
	v := c.u32()
	if c.fault || p[0] != fxpVersion || v != 3 {
		return nil, errSFTP
	}
	out := append([]byte(nil), p[:5]...)
	for len(c.rest) > 0 {
		name, value := c.text(64), c.text(1<<10)
		if c.fault {
			return nil, errSFTP
		}
		if known(name) {
			out = appendText(appendText(out, name), value)
		}
	}
	return out, nil
}
