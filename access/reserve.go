package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/curfewhq/curfew"
)

// reserveSize is the room a reserve takes on disk before it is needed.
const reserveSize = 1 << 20

// Reserve is a file of fixed size, apart from the ledger, that keeps ends which
// have acted and are not written yet. Its room is taken beforehand: a full disk
// does not stop it.
type Reserve struct {
	mu   sync.Mutex
	file *os.File // guarded by mu
	used int64    // guarded by mu
}

// OpenReserve opens the file at path, or makes it.
func OpenReserve(path string) (*Reserve, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the reserve")
	}
	info, err := f.Stat()
	if err == nil && info.Size() < reserveSize {
		_, err = f.WriteAt(make([]byte, reserveSize-info.Size()), info.Size())
	}
	if err != nil {
		return nil, errors.Join(curfew.Wrap(curfew.Unavailable, err, "make room for the reserve"), f.Close())
	}
	r := &Reserve{file: f}
	kept, err := r.Kept()
	if err == nil && len(kept) > 0 {
		r.used = 1 // whatever is there stays until Clear; Keep rewrites it
		err = r.rewrite(kept)
	}
	return r, err
}

// Keep adds ends. It survives the process at once, and the machine once the disk answers.
func (r *Reserve) Keep(ends []curfew.GrantEnded) error {
	var buf bytes.Buffer
	for _, e := range ends {
		line, err := json.Marshal(e)
		if err != nil {
			return curfew.Wrap(curfew.Internal, err, "encode an end")
		}
		buf.Write(line)
		buf.WriteByte('\n')
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err := r.file.WriteAt(buf.Bytes(), r.used)
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "keep an end")
	}
	r.used += int64(buf.Len())
	return nil
}

func (r *Reserve) rewrite(ends []curfew.GrantEnded) error {
	r.mu.Lock()
	r.used = 0
	r.mu.Unlock()
	return r.Keep(ends)
}

// Kept returns what is in the file. A line that was torn is the last one, and is left out.
func (r *Reserve) Kept() ([]curfew.GrantEnded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := make([]byte, 0, reserveSize)
	info, err := r.file.Stat()
	if err == nil {
		text = make([]byte, info.Size())
		_, err = r.file.ReadAt(text, 0)
	}
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the reserve")
	}
	var ends []curfew.GrantEnded
	for line := range bytes.Lines(text) {
		var e curfew.GrantEnded
		if line[0] == 0 || json.Unmarshal(line, &e) != nil {
			break
		}
		ends = append(ends, e)
	}
	return ends, nil
}

// Clear forgets everything: it has been written to the ledger.
func (r *Reserve) Clear() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used == 0 {
		return nil
	}
	_, err := r.file.WriteAt(make([]byte, r.used), 0)
	if err == nil {
		r.used = 0
	}
	return err
}

// Close closes the file.
func (r *Reserve) Close() error {
	err := r.file.Close()
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}
