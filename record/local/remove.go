package local

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/curfewhq/curfew"
)

// Whole lists the recordings that are whole, in no order.
func (s *Store) Whole() ([]curfew.SessionID, error) {
	entries, err := os.ReadDir(s.parts.Folder)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the recordings folder")
	}
	var ids []curfew.SessionID
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), suffix); ok && curfew.HasPrefix(id, "s") {
			ids = append(ids, curfew.SessionID(id))
		}
	}
	return ids, nil
}

// Remove removes a whole recording: its key first, durably, so that what a disk
// keeps of the rest does not open, then its files. It may be called again where it
// was cut off; a recording that is not there is no error.
func (s *Store) Remove(id curfew.SessionID) error {
	path, err := s.path(id, suffix)
	if err != nil {
		return err
	}
	s.mu.Lock()
	live := s.live[id] != nil
	s.mu.Unlock()
	if live {
		return curfew.Errorf(curfew.Conflict, "the recording of %s is open", id)
	}
	s.lists.Lock()
	defer s.lists.Unlock()
	err = blank(path)
	for _, end := range []string{wordsSuffix, wordsSuffix + ".new", suffix + ".damaged", openSuffix + ".damaged", suffix} { // the last one says that there is something to remove
		file, _ := s.path(id, end)
		if err == nil {
			if err = os.Remove(file); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		}
	}
	if err == nil {
		err = syncFolder(s.parts.Folder)
	}
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "remove the recording of %s", id)
	}
	return nil
}

// blankBytes is more than a header takes: the session's key lies in it.
const blankBytes = 64 << 10

// blank overwrites the beginning of a file, durably.
func blank(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		_, err = f.WriteAt(make([]byte, min(blankBytes, info.Size())), 0)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
