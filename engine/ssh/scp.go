package ssh

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/curfewhq/curfew/record"
)

// The old protocol of scp (scp -O), whose other end is the program scp on the host:
// lines that begin with C (file), D and E (folder), T (times), and contents.

var errSCP = errors.New("this is not the protocol of scp")

// Bounds of it.
const (
	maxSCPLine = 4 << 10
	maxSCPDeep = 64
)

// scp carries files by the old protocol and records them as they pass.
type scp struct {
	scpFiles
	c       *channel
	upwards bool   // the client sends
	path    string // as the command says
	ref     uint64
	began   time.Time
}

// scpFiles decodes the side that sends.
type scpFiles struct {
	begins func(name string, size int64) error
	ended  func(content int64, sum []byte, fault string)

	files int
	line  []byte
	left  int64 // of the content under way
	after bool  // its last byte, a status, is to come
	size  int64
	sum   hash.Hash
	dirs  []string
}

// scpCommand reads what an scp client asks the host to run: scp [-vrpd] -f|-t [--] PATH.
func scpCommand(command string) (path string, upwards, ok bool) {
	words := strings.Split(command, " ")
	if words[0] != "scp" {
		return "", false, false
	}
	for words = words[1:]; len(words) > 1; words = words[1:] {
		switch words[0] {
		case "-v", "-r", "-p", "-d":
			continue
		case "-f", "-t":
			upwards = words[0] == "-t"
			if words = words[1:]; len(words) == 2 && words[0] == "--" {
				words = words[1:]
			}
			return words[0], upwards, len(words) == 1 && plain(words[0], false)
		}
		break
	}
	return "", false, false
}

// copying prepares a channel for the old scp, and reports whether the role lets it be.
// The host follows links here, unseen: so a role for some files has none of it.
func (c *channel) copying(command string) (isSCP, ok bool) {
	path, upwards, isSCP := scpCommand(command)
	if !isSCP {
		return false, false
	}
	v := read
	if upwards {
		v = write
	}
	whole := c.r.may.allows(v, func(r rule) bool { return r.all })
	for _, m := range c.r.may.minus {
		whole = whole && m.verb != v
	}
	if !whole && !c.r.may.mayRun(command) || c.tty != nil { // a filter stays with its channel
		return true, false
	}
	s := &scp{c: c, upwards: upwards, path: path}
	s.begins, s.ended = s.fileBegins, s.fileEnded
	c.filter = s
	return true, true
}

func (s *scp) up(from io.Reader, to io.Writer) error { return s.carry(from, to, s.upwards) }

func (s *scp) down(from io.Reader, to io.Writer) error { return s.carry(from, to, !s.upwards) }

func (s *scp) carry(from io.Reader, to io.Writer, sends bool) error {
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if sends {
				if err := s.follow(buf[:n]); err != nil {
					_ = s.c.r.refused("scp", err.Error())
					return err
				}
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

// follow takes the next bytes of the side that sends.
func (s *scpFiles) follow(b []byte) error {
	for len(b) > 0 {
		switch {
		case s.left > 0:
			n := min(int64(len(b)), s.left)
			s.sum.Write(b[:n])
			s.left -= n
			b = b[n:]
		case s.after && b[0] != 0: // its sender could not read all of it: a line says why
			s.done("not whole")
		case s.after:
			s.done("")
			b = b[1:]
		default:
			i := bytes.IndexByte(b, '\n')
			if i < 0 {
				i = len(b) - 1
			}
			if s.line = append(s.line, b[:i+1]...); len(s.line) > maxSCPLine {
				return errSCP
			}
			b = b[i+1:]
			if s.line[0] == 0 && len(s.line) == 1 { // an answer
				s.line = s.line[:0]
			} else if s.line[len(s.line)-1] == '\n' {
				if err := s.said(strings.TrimSuffix(string(s.line), "\n")); err != nil {
					return err
				}
				s.line = s.line[:0]
			}
		}
	}
	return nil
}

// said takes a line.
func (s *scpFiles) said(line string) error {
	line = strings.TrimLeft(line, "\x00")
	if line == "" {
		return errSCP
	}
	switch line[0] {
	case 'T', 1, 2:
		return nil
	case 'E':
		if len(s.dirs) == 0 {
			return errSCP
		}
		s.dirs = s.dirs[:len(s.dirs)-1]
		return nil
	case 'C', 'D':
	default:
		return errSCP
	}
	parts := strings.SplitN(line[1:], " ", 3)
	if len(parts) != 3 || len(parts[0]) != 4 || strings.Trim(parts[0], "01234567") != "" || strings.ContainsAny(parts[2], "/\x00") || parts[2] == "" || parts[2] == "." || parts[2] == ".." {
		return errSCP
	}
	size, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || size < 0 {
		return errSCP
	}
	if line[0] == 'D' {
		if s.dirs = append(s.dirs, parts[2]); len(s.dirs) > maxSCPDeep {
			return errSCP
		}
		return nil
	}
	return s.starts(parts[2], size)
}

// starts begins a file.
func (s *scpFiles) starts(name string, size int64) error {
	s.files++
	s.size, s.left, s.after, s.sum = size, size, true, sha256.New()
	if s.begins == nil {
		return nil
	}
	return s.begins(strings.Join(append(append([]string(nil), s.dirs...), name), "/"), size)
}

func (s *scpFiles) done(fault string) {
	s.after = false
	if s.ended != nil {
		s.ended(s.size-s.left, s.sum.Sum(nil), fault)
	}
}

func (s *scp) fileBegins(name string, _ int64) error {
	what := "read "
	if s.upwards {
		what = "write "
	}
	s.began = time.Now()
	var err error
	s.ref, err = s.c.r.begin(what+s.path+": "+name, "")
	return err
}

func (s *scp) fileEnded(content int64, sum []byte, fault string) {
	s.c.r.settle(record.Item{Ref: s.ref, Tag: "sha256:" + hex.EncodeToString(sum), Bytes: content, Took: time.Since(s.began), Error: fault})
}

// end settles a file that did not come to its end.
func (s *scp) end() {
	if s.after {
		s.done("not whole")
	}
}
