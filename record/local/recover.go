package local

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/record"
)

// journalCode is the Code of a record.Broken that names a loss, or the trace of one.
const journalCode = "journal"

const brokenText = "the gateway ended without closing this recording; what came in its last 50 ms may be missing"

// recover completes, from the journal, the recordings that were open when the
// node ended, ends them, and begins a new journal. It may be cut off anywhere and
// begun again.
func (s *Store) recover(folder string) (*journal, error) {
	r, err := readJournal(folder, s.parts.Ring)
	if err != nil {
		return nil, err
	}
	open, err := s.unfinished()
	if err != nil {
		return nil, err
	}
	if len(r.present) == 0 && len(open) > 0 {
		r.fault("it is missing")
	}
	for _, f := range r.faults {
		s.parts.Log.Error("the recordings' journal is damaged: " + f)
	}
	for id := range r.sessions {
		open = append(open, id)
	}
	slices.Sort(open)
	open = slices.Compact(open)
	next := r.next
	for _, id := range open {
		seen, err := s.complete(id, r)
		if curfew.CodeOf(err) == curfew.Invalid { // one that cannot be completed keeps no gateway from starting
			s.parts.Log.Error("a recording could not be completed; what the journal has of it is put aside", "session", id, "err", err)
			r.spoilt = append(r.spoilt, r.present...)
			continue
		}
		if err != nil {
			return nil, err
		}
		next = max(next, seen+1)
	}
	if err := syncFolder(s.parts.Folder); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "complete the recordings")
	}
	if len(r.present) > 0 { // it was not stopped, but ended
		s.anchorNewest()
	}
	j := &journal{folder: folder, ring: s.parts.Ring, name: r.name, number: r.last, next: next}
	if j.name == "" {
		j.name = rand.Text()
	}
	if err := j.begin(j.next, nil); err != nil {
		return nil, err
	}
	for _, n := range r.present {
		err := removeSegment(folder, n)
		if slices.Contains(r.spoilt, n) {
			err = os.Rename(segmentPath(folder, n), segmentPath(folder, n)+".damaged") // for whoever looks into it
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(curfew.Wrap(curfew.Unavailable, err, "put away the recordings' journal"), j.close())
		}
	}
	return j, nil
}

// anchorNewest has the heads of the recordings anchored again that were written last:
// one that became whole in the seconds before the node ended may not have been.
func (s *Store) anchorNewest() {
	ids, err := s.Whole()
	if err != nil {
		return // whoever needs them will say so
	}
	written := make(map[curfew.SessionID]time.Time, len(ids))
	var newest time.Time
	for _, id := range ids {
		path, _ := s.path(id, suffix)
		if info, err := os.Lstat(path); err == nil {
			written[id] = info.ModTime()
			if info.ModTime().After(newest) {
				newest = info.ModTime()
			}
		}
	}
	for id, at := range written {
		if newest.Sub(at) > 10*settleEvery {
			continue
		}
		if head, err := s.headOf(id); err == nil {
			s.anchorLater(id, head)
		}
	}
}

// headOf is the head of a whole recording.
func (s *Store) headOf(id curfew.SessionID) (head [32]byte, err error) {
	f, _, key, err := s.openWhole(id)
	if err != nil {
		return head, err
	}
	defer func() { _ = f.Close() }()
	chain := record.NewChain(id, key, s.pack)
	if err := skipAll(f, chain); err != nil {
		return head, err
	}
	return chain.Head(), nil
}

// unfinished lists the recordings that have not got their final name.
func (s *Store) unfinished() (ids []curfew.SessionID, err error) {
	entries, err := os.ReadDir(s.parts.Folder)
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read the recordings folder")
	}
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), openSuffix); ok && curfew.HasPrefix(id, "s") {
			ids = append(ids, curfew.SessionID(id))
		}
	}
	return ids, nil
}

// found is how far the file of a recording goes.
type found struct {
	chain  *record.Chain
	items  uint64
	last   record.Kind
	mark   record.Mark // the furthest
	end    int64       // of what is whole
	rest   bool        // there is something behind it
	marked bool
}

// complete brings one recording to its end, and returns how far its file has seen
// the journal. A file that is damaged where the journal cannot help stays as it
// is: verifying names it.
func (s *Store) complete(id curfew.SessionID, r *replay) (seen uint64, err error) {
	from, err := s.path(id, openSuffix)
	if err != nil {
		s.parts.Log.Error("the recordings' journal names what is no session", "session", id)
		return 0, nil
	}
	whole, _ := s.path(id, suffix)
	if _, err := os.Lstat(from); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(whole); err == nil {
			from = whole
		}
	}
	said := r.sessions[id]
	if said == nil {
		said = &spoken{}
	}
	f, err := os.OpenFile(from, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return 0, curfew.Wrap(curfew.Unavailable, err, "complete the recording of %s", id)
	}
	defer func() { _ = f.Close() }()
	at, err := s.survey(f, id, said.start)
	if err != nil { // it stays as it is: reading and verifying say so
		s.parts.Log.Error("a recording that was open is lost or damaged", "session", id, "err", err)
	} else if at.last != record.Closed && at.last != record.Broken {
		if err := s.finish(f, id, at, said.pieces, r); err != nil {
			return 0, err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, curfew.Wrap(curfew.Unavailable, err, "complete the recording of %s", id)
	}
	if at.chain != nil {
		s.anchorLater(id, at.chain.Head()) // its end was written here
	}
	if from != whole {
		if err := os.Rename(from, whole); err != nil {
			return 0, curfew.Wrap(curfew.Unavailable, err, "complete the recording of %s", id)
		}
	}
	if at.mark.Journal == r.name {
		seen = at.mark.Record
	}
	return seen, nil
}

// survey reads a file from its start as far as it is whole. A file whose start
// never became durable is begun again: the journal has it.
func (s *Store) survey(f *os.File, id curfew.SessionID, start []byte) (at found, err error) {
	h, key, err := record.ReadHeader(f, s.parts.Ring, id)
	if err != nil && start != nil {
		if h, key, err = record.ReadHeader(bytes.NewReader(start), s.parts.Ring, id); err != nil {
			return at, err
		}
		if err = f.Truncate(0); err == nil {
			_, err = f.WriteAt(start, 0)
		}
		if err == nil {
			_, err = f.Seek(int64(len(start)), io.SeekStart)
		}
	}
	if err != nil {
		return at, err
	}
	if at.end, err = f.Seek(0, io.SeekCurrent); err != nil {
		return at, err
	}
	info, err := f.Stat()
	if err != nil {
		return at, err
	}
	at.chain = record.NewChain(h.Session, key, s.pack)
	counted := &counter{r: bufio.NewReaderSize(f, 64<<10)}
	begin := at.end
	for {
		items, err := at.chain.Open(counted)
		if err != nil {
			break // torn, damaged, or the end
		}
		at.end = begin + counted.n
		at.items += uint64(len(items))
		if m := at.chain.Mark(); m.Record >= at.mark.Record {
			at.mark, at.marked = m, true
		}
		if len(items) > 0 {
			at.last = items[len(items)-1].Kind
		}
	}
	at.rest = info.Size() > at.end
	return at, nil
}

// finish adds what the journal has and the file has not, and the end.
func (s *Store) finish(f *os.File, id curfew.SessionID, at found, pieces []piece, r *replay) error {
	lines, faults := missing(at.items, pieces)
	if at.rest && len(pieces) == 0 {
		faults = append(faults, fmt.Sprintf("its file is not what was written after item %d", at.items))
	}
	faults = append(faults, r.faults...)
	if at.marked && at.mark.Journal != r.name && len(r.faults) == 0 {
		faults = append(faults, "it is not the one that this recording was made with")
	} else if at.marked && at.mark.Journal == r.name && at.mark.Record >= r.next {
		faults = append(faults, fmt.Sprintf("it ends before record %d, which this recording has seen", at.mark.Record))
	}
	m := record.Mark{Journal: r.name, Record: r.next - 1}
	if err := s.cutAt(f, at, len(faults) > 0); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "complete the recording of %s", id)
	}
	w := &writer{store: s, head: record.Header{Session: id}, file: f, chain: at.chain}
	if !endsClosed(lines) || len(faults) > 0 {
		end := record.Item{At: time.Now().UTC(), Kind: record.Broken, Text: brokenText}
		if len(faults) > 0 {
			end.Code, end.Text = journalCode, "the journal of the recordings was damaged when the gateway ended, and items may be missing: "+strings.Join(faults, "; ")
			s.parts.Log.Error("a recording may lack items", "session", id, "why", end.Text)
		}
		lines = record.AppendLine(lines, &end)
	}
	_, err := w.chunks(m, lines)
	return err
}

// cutAt ends a file behind what is whole. What a crash does not explain is kept beside it.
func (s *Store) cutAt(f *os.File, at found, keep bool) error {
	if _, err := f.Seek(at.end, io.SeekStart); err != nil {
		return err
	}
	if at.rest && keep {
		aside, err := os.OpenFile(f.Name()+".damaged", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		if _, err = io.Copy(aside, f); err == nil {
			err = aside.Sync()
		}
		if err = errors.Join(err, aside.Close()); err != nil {
			return err
		}
	}
	if err := f.Truncate(at.end); err != nil {
		return err
	}
	_, err := f.Seek(at.end, io.SeekStart)
	return err
}

// missing returns the lines that come after the first have items, and what is not there.
func missing(have uint64, pieces []piece) (lines []byte, faults []string) {
	slices.SortStableFunc(pieces, func(a, b piece) int {
		switch {
		case a.first < b.first:
			return -1
		case a.first > b.first:
			return 1
		}
		return 0
	})
	upTo := have
	for _, p := range pieces {
		last := p.first + p.count - 1
		if last <= upTo {
			continue
		}
		if p.first > upTo+1 {
			faults = append(faults, fmt.Sprintf("items %d to %d of this recording are missing", upTo+1, p.first-1))
			upTo = p.first - 1
		}
		data := p.data
		for range upTo + 1 - p.first {
			data = data[bytes.IndexByte(data, '\n')+1:]
		}
		lines = append(lines, data...)
		upTo = last
	}
	return lines, faults
}

// endsClosed reports whether the last line is the end of a session.
func endsClosed(lines []byte) bool {
	last := bytes.TrimSuffix(lines, []byte{'\n'})
	var it record.Item
	return json.Unmarshal(last[bytes.LastIndexByte(last, '\n')+1:], &it) == nil && it.Kind == record.Closed
}
