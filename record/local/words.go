package local

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/seal"
)

// The list of a recording's words lies beside it. It is no evidence: what does not
// open, or opens for another head, is made again from the recording.
const (
	wordsSuffix = ".words"
	wordsMagic  = "curfew words 1\n"
	// wordsBound bounds what is read of a list: MaxWords of MaxWord bytes, compressed
	// no worse than that.
	wordsBound = record.MaxWords*(record.MaxWord+2) + 1<<20
)

// listSoon has the list of a recording made that has become whole.
func (s *Store) listSoon(id curfew.SessionID) {
	s.mu.Lock()
	s.whole = append(s.whole, id)
	s.mu.Unlock()
	signal(s.unlisted)
}

// listAll makes the lists of recordings that have become whole, one after the
// other, until ctx ends. What is left then is made when it is asked for.
func (s *Store) listAll(ctx context.Context) {
	for {
		s.mu.Lock()
		ids := s.whole
		s.whole = nil
		s.mu.Unlock()
		for _, id := range ids {
			// Half of one processor at most: sessions come first.
			rest := func(worked time.Duration) {
				select {
				case <-ctx.Done():
				case <-time.After(worked):
				}
			}
			if _, err := s.list(id, rest); err != nil && curfew.CodeOf(err) != curfew.NotFound {
				s.parts.Log.Warn("a recording could not be listed for searches", "session", id, "err", err)
			}
			if ctx.Err() != nil {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-s.unlisted:
		}
	}
}

// Words returns the list of a whole recording. See record.Store.
func (s *Store) Words(id curfew.SessionID) (*record.Words, error) {
	s.mu.Lock()
	live := s.live[id] != nil
	s.mu.Unlock()
	if live {
		return nil, record.ErrOpen
	}
	f, h, key, err := s.openWhole(id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if w, err := s.readList(f, h.Session, key); err == nil {
		return w, nil
	}
	return s.list(id, nil)
}

// openWhole opens a recording that has its final name, behind its header.
func (s *Store) openWhole(id curfew.SessionID) (*os.File, record.Header, seal.Key, error) {
	path, err := s.path(id, suffix)
	if err != nil {
		return nil, record.Header{}, seal.Key{}, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		open, _ := s.path(id, openSuffix)
		if _, err := os.Lstat(open); err == nil {
			return nil, record.Header{}, seal.Key{}, record.ErrOpen
		}
		return nil, record.Header{}, seal.Key{}, curfew.Errorf(curfew.NotFound, "there is no recording of %s", id)
	}
	if err != nil {
		return nil, record.Header{}, seal.Key{}, curfew.Wrap(curfew.Unavailable, err, "read the recording of %s", id)
	}
	h, key, err := record.ReadHeader(f, s.parts.Ring, id)
	if err != nil {
		return nil, h, key, errors.Join(err, f.Close())
	}
	return f, h, key, nil
}

// readList reads the list beside a recording, if it is the one of its head.
func (s *Store) readList(f io.Reader, id curfew.SessionID, key seal.Key) (*record.Words, error) {
	path, _ := s.path(id, wordsSuffix)
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, wordsBound))
	if err != nil {
		return nil, err
	}
	if len(text) < len(wordsMagic) || string(text[:len(wordsMagic)]) != wordsMagic {
		return nil, curfew.Errorf(curfew.Corrupt, "the list of words of %s is none", id)
	}
	chain := record.NewChain(id, key, s.listPack)
	if err := skipAll(f, chain); err != nil {
		return nil, err
	}
	return record.OpenWords(text[len(wordsMagic):], id, chain.Head(), key, s.listPack)
}

// skipAll advances a chain over all that is whole in a file.
func skipAll(f io.Reader, chain *record.Chain) error {
	for r := bufio.NewReaderSize(f, 64<<10); ; {
		box, err := record.ReadBox(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		chain.Skip(box)
	}
}

// list makes the list of a whole recording and puts it beside it. rest is called
// after each chunk with the time it took; nil: without pause.
func (s *Store) list(id curfew.SessionID, rest func(time.Duration)) (*record.Words, error) {
	f, h, key, err := s.openWhole(id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var shape func(record.Item) record.Item
	if s.parts.Shape != nil {
		shape = s.parts.Shape(h)
	}
	words, shown, chain := record.NewWords(), record.NewShown(), record.NewChain(id, key, s.listPack)
	for r := bufio.NewReaderSize(f, 64<<10); ; {
		began := time.Now()
		items, err := chain.Open(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		for i := range items {
			for _, line := range shown.Item(&items[i]) {
				words.AddShown(line)
			}
			if shape == nil {
				words.Add(&items[i], nil)
				continue
			}
			shaped := shape(items[i])
			words.Add(&items[i], &shaped)
		}
		if rest != nil {
			rest(time.Since(began))
		}
	}
	if err := s.putList(id, append([]byte(wordsMagic), words.Seal(id, chain.Head(), key, s.listPack)...)); err != nil {
		s.parts.Log.Warn("the words of a recording could not be put beside it", "session", id, "err", err)
	}
	return words, nil
}

// putList writes a list, unless its recording has been removed meanwhile. It need
// not be durable.
func (s *Store) putList(id curfew.SessionID, text []byte) error {
	s.lists.Lock()
	defer s.lists.Unlock()
	whole, _ := s.path(id, suffix)
	if _, err := os.Lstat(whole); err != nil {
		return err
	}
	to, _ := s.path(id, wordsSuffix)
	if err := os.WriteFile(to+".new", text, 0o600); err != nil {
		return errors.Join(err, os.Remove(to+".new"))
	}
	return os.Rename(to+".new", to)
}
