package access

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/curfewhq/curfew"
)

// SnapshotPlace remembers where the newest snapshot is named in the ledger. It
// is a hint: what it points at is checked, and without it everything is folded.
type SnapshotPlace interface {
	Load() (position uint64, ok bool)
	Save(position uint64) error
}

func decode(e curfew.Event, into any) error { return json.Unmarshal(e.Body, into) }

// clone copies a state, whole.
func (st *State) clone() (*State, error) {
	text, err := json.Marshal(st)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "copy the state")
	}
	return thaw(text)
}

func thaw(text []byte) (*State, error) {
	st := NewState()
	if err := json.Unmarshal(text, st); err != nil {
		return nil, curfew.Wrap(curfew.Corrupt, err, "read a snapshot")
	}
	st.Config = CopyConfig(st.Config)
	st.index()
	return st, nil
}

// CopyConfig copies the maps of a configuration and makes those that are missing.
func CopyConfig(c curfew.Config) curfew.Config {
	out := emptyConfig()
	out.Settings, out.Retention = c.Settings, c.Retention
	maps.Copy(out.Groups, c.Groups)
	maps.Copy(out.Managers, c.Managers)
	maps.Copy(out.Resources, c.Resources)
	maps.Copy(out.Roles, c.Roles)
	maps.Copy(out.Policies, c.Policies)
	maps.Copy(out.Freezes, c.Freezes)
	return out
}

// load folds the ledger, from its newest snapshot if there is one.
func load(ctx context.Context, p Parts) (*State, error) {
	st := NewState()
	if s := fromSnapshot(ctx, p); s != nil {
		st = s
	}
	return st, foldAll(ctx, p, st, 0)
}

// foldAll folds the rest of the ledger, up to size if that is not 0.
func foldAll(ctx context.Context, p Parts, st *State, size uint64) error {
	for size == 0 || st.Size < size {
		limit := 4096
		if size != 0 {
			limit = int(min(uint64(limit), size-st.Size))
		}
		events, err := p.Ledger.Read(ctx, st.Size+1, limit)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := st.Fold(e); err != nil {
				return err
			}
		}
		if len(events) < limit {
			return nil
		}
	}
	return nil
}

// fromSnapshot returns the newest snapshot's state, nil if there is none that can
// be used: the event at the place must name its hash and this fold's version.
func fromSnapshot(ctx context.Context, p Parts) *State {
	if p.Snapshot == nil {
		return nil
	}
	position, ok := p.Snapshot.Load()
	if !ok {
		return nil
	}
	events, err := p.Ledger.Read(ctx, position, 1)
	if err != nil || len(events) != 1 || events[0].Kind != curfew.KindSnapshotTaken {
		return nil
	}
	var b curfew.SnapshotTaken
	if decode(events[0], &b) != nil || b.Version != foldVersion || len(b.Hash) != 32 {
		return nil
	}
	text, err := p.Ledger.LoadSnapshot(ctx, [32]byte(b.Hash))
	if err != nil {
		return nil
	}
	st, err := thaw(text)
	if err != nil || st.Size != b.Size {
		return nil
	}
	return st
}

// takeSnapshots writes a snapshot now and then, by a second fold, outside any turn.
func (s *Service) takeSnapshots(ctx context.Context) {
	for {
		var size uint64
		if st := fromSnapshot(ctx, s.parts); st != nil {
			size = st.Size
		}
		if err := s.parts.Ledger.Wait(ctx, size+s.parts.SnapshotEvery); err != nil {
			return
		}
		if err := s.Snapshot(ctx); err != nil {
			s.log.Error("a snapshot could not be written", "err", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Minute):
			}
		}
	}
}

// Snapshot writes a snapshot of the ledger as it is now.
func (s *Service) Snapshot(ctx context.Context) error {
	if s.parts.Snapshot == nil {
		return nil
	}
	size := s.parts.Ledger.Head().Size
	st := fromSnapshot(ctx, s.parts)
	if st == nil {
		st = NewState()
	}
	if err := foldAll(ctx, s.parts, st, size); err != nil {
		return err
	}
	text, err := json.Marshal(st)
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "encode a snapshot")
	}
	hash, err := s.parts.Ledger.SaveSnapshot(ctx, size, text)
	if err != nil {
		return err
	}
	r, err := s.Do(ctx, Note{curfew.KindSnapshotTaken, curfew.SnapshotTaken{Size: size, Version: foldVersion, Hash: hash[:]}})
	if err != nil {
		return err
	}
	return s.parts.Snapshot.Save(r.Events[0].Position)
}

// At returns the state as it was at a moment: every event up to then, and no later one.
func (s *Service) At(ctx context.Context, moment time.Time) (*State, error) {
	st := NewState()
	if snap := fromSnapshot(ctx, s.parts); snap != nil && !snap.Now.After(moment) {
		st = snap
	}
	for {
		events, err := s.parts.Ledger.Read(ctx, st.Size+1, 4096)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if e.Time.After(moment) {
				st.rules()
				return st, nil
			}
			if err := st.Fold(e); err != nil {
				return nil, err
			}
		}
		if len(events) < 4096 {
			st.rules()
			return st, nil
		}
	}
}
