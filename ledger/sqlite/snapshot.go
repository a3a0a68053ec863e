package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// Snapshots are files in a folder beside the ledger, named by the hash of what is
// in them: writing one keeps nobody waiting for the turn.
const (
	snapshotFolder = "snapshots"
	snapshotSuffix = ".snapshot"
	keepNewest     = 3
	keepDays       = 31 // the newest of each day; of each month, for ever
)

// SaveSnapshot keeps data under its hash, and thins out older ones.
func (l *Ledger) SaveSnapshot(ctx context.Context, _ uint64, data []byte) ([sha256.Size]byte, error) {
	h := sha256.Sum256(data)
	folder := filepath.Join(l.folder, snapshotFolder)
	err := ctx.Err()
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err == nil {
		err = writeFile(filepath.Join(folder, hex.EncodeToString(h[:])+snapshotSuffix), data)
	}
	if err == nil {
		err = thin(folder, time.Now())
	}
	if err != nil {
		return h, curfew.Wrap(curfew.Unavailable, err, "keep a snapshot")
	}
	return h, nil
}

// LoadSnapshot returns what was kept under a hash, checked.
func (l *Ledger) LoadSnapshot(_ context.Context, h [sha256.Size]byte) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(l.folder, snapshotFolder, hex.EncodeToString(h[:])+snapshotSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, curfew.Errorf(curfew.NotFound, "there is no such snapshot")
	}
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "read a snapshot")
	}
	if sha256.Sum256(data) != h {
		return nil, curfew.Errorf(curfew.Corrupt, "a snapshot is not what was written")
	}
	return data, nil
}

// writeFile writes whole or not at all, durably.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

type snapshotFile struct {
	path string
	at   time.Time
}

// thin removes snapshots that are neither among the newest, nor the newest of one
// of the last days or of a month, and what a crash left half written.
func thin(folder string, now time.Time) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var files []snapshotFile
	var drop []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // somebody removed it
		}
		f := snapshotFile{filepath.Join(folder, e.Name()), info.ModTime().UTC()}
		if strings.HasSuffix(e.Name(), snapshotSuffix) {
			files = append(files, f)
		} else if now.Sub(f.at) > time.Hour {
			drop = append(drop, f.path)
		}
	}
	for _, path := range append(drop, spare(files, now)...) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// spare is those of the files that need not be kept.
func spare(files []snapshotFile, now time.Time) (drop []string) {
	slices.SortFunc(files, func(a, b snapshotFile) int { return b.at.Compare(a.at) }) // newest first
	days, months := map[string]bool{}, map[string]bool{}
	for i, f := range files {
		day, month := f.at.Format(time.DateOnly), f.at.Format("2006-01")
		keep := i < keepNewest || !months[month] || !days[day] && now.Sub(f.at) < keepDays*24*time.Hour
		days[day], months[month] = true, true
		if !keep {
			drop = append(drop, f.path)
		}
	}
	return drop
}
