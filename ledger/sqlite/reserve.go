package sqlite

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew"
)

// reserveSize is the space kept for ends and alarms: more than ten thousand, each
// committed alone, on a full tmpfs of 40 MiB.
const reserveSize = 16 << 20

// reserve is a file that takes up space until an urgent batch needs it. While it
// is given up, nothing else is written: or the ordinary would eat what it freed.
type reserve struct {
	hold  func() error // takes the space up
	give  func() error // gives it up
	given bool
}

// openReserve takes the space up. A disk that has no room for it is no reason to
// stay closed: ends must still be written.
func openReserve(path string) (reserve, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		if errors.Is(err, unix.ENOSPC) {
			return reserve{given: true, hold: func() error { return err }, give: func() error { return err }}, nil
		}
		return reserve{}, curfew.Wrap(curfew.Unavailable, err, "reserve space for ends")
	}
	if err := f.Close(); err != nil {
		return reserve{}, curfew.Wrap(curfew.Unavailable, err, "reserve space for ends")
	}
	r := reserve{
		hold: func() error { return allocate(path) },
		give: func() error { return os.Truncate(path, 0) },
	}
	r.given = r.hold() != nil
	return r, nil
}

// allocate gives the file its blocks. Where the file system cannot (fallocate(2)
// is not supported everywhere), the reserve is empty and the rule is all there is.
func allocate(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, reserveSize)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = nil
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(0)) // a part of it would only be in the way
	}
	return errors.Join(err, f.Close())
}

// before says whether a batch may be written now.
func (r *reserve) before(urgent bool) error {
	if !r.given || urgent {
		return nil
	}
	if err := r.hold(); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the ledger: the disk is full, what is left is for ends and alarms").WithRule("ledger.full").
			WithFix("free space on the disk of the data folder")
	}
	r.given = false
	return nil
}

// release gives the space up; false if that was done before.
func (r *reserve) release() bool {
	if r.given || r.give() != nil {
		return false
	}
	r.given = true
	return true
}
