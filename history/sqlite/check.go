package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"net/url"
	"os"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/say"
)

// Check builds a history of the events anew and compares the file with it, as far
// as the file has come. It names what differs, at most a few of it, and changes nothing.
func Check(ctx context.Context, path string, events iter.Seq2[curfew.Event, error]) (faults []string, err error) {
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return nil, nil // it is built when it is needed
	}
	s, err := Open("")
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	if _, err := s.db.ExecContext(ctx, `ATTACH ? AS kept`, "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro"); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "open the history")
	}
	var until uint64
	if err := s.db.QueryRowContext(ctx, `SELECT position FROM kept.position_v3`).Scan(&until); err != nil {
		return []string{"the history has no position"}, nil //nolint:nilerr // that is what was found
	}
	var batch []curfew.Event
	for e, err := range events {
		if err != nil {
			return nil, err
		}
		if e.Position > until {
			break
		}
		if batch = append(batch, e); len(batch) == 2000 {
			if err := s.Apply(ctx, batch); err != nil {
				return nil, err
			}
			batch = nil
		}
	}
	if len(batch) > 0 {
		if err := s.Apply(ctx, batch); err != nil {
			return nil, err
		}
	}
	if s.Position() < until {
		faults = append(faults, fmt.Sprintf("the history has come to event %d, and the ledger ends at %d", until, s.Position()))
	}
	for _, t := range []struct{ table, what string }{{"doc", "kind || ' ' || id"}, {"entry", "'event ' || position"}} {
		found, err := s.differences(ctx, t.table, t.what)
		if err != nil {
			return nil, err
		}
		faults = append(faults, found...)
	}
	return faults, nil
}

// mostFaults of one table are named.
const mostFaults = 10

func (s *Store) differences(ctx context.Context, table, what string) (out []string, err error) {
	rows, err := s.db.QueryContext(ctx, fmt.Sprintf(`SELECT what, min(side), count(*) FROM (
		SELECT %[2]s AS what, 1 AS side FROM (SELECT * FROM main.%[1]s EXCEPT SELECT * FROM kept.%[1]s)
		UNION ALL SELECT %[2]s, 2 FROM (SELECT * FROM kept.%[1]s EXCEPT SELECT * FROM main.%[1]s)) GROUP BY what ORDER BY what LIMIT %[3]d`, table, what, mostFaults))
	if err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "compare the history")
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name sql.NullString
		var side, n int
		if err := rows.Scan(&name, &side, &n); err != nil {
			return nil, curfew.Wrap(curfew.Unavailable, err, "compare the history")
		}
		how := "was removed from the history"
		switch {
		case n > 1:
			how = "was edited in the history"
		case side == 2:
			how = "was put into the history"
		}
		out = append(out, say.Clean(name.String, 120)+" "+how)
	}
	if err := rows.Err(); err != nil {
		return nil, curfew.Wrap(curfew.Unavailable, err, "compare the history")
	}
	return out, nil
}
