package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// Every hand-made change of the file is named, and the file itself is left as it is.
func TestCheckNamesWhatWasEdited(t *testing.T) {
	ctx := context.Background()
	body := func(v any) json.RawMessage {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	start := time.Unix(1_800_000_000, 0).UTC()
	var all []curfew.Event
	for _, e := range []struct {
		kind curfew.Kind
		body any
	}{
		{curfew.KindRequestAsked, curfew.RequestAsked{Request: "rq_1", Principal: "p_1", Role: "read", Resource: "db", Duration: time.Hour}},
		{curfew.KindGrantApproved, curfew.GrantApproved{Grant: "gr_1", Request: "rq_1", Principal: "p_1", Role: "read", Resource: "db", Duration: time.Hour}},
		{curfew.KindSessionOpened, curfew.SessionOpened{Session: "s_1", Grant: "gr_1", Principal: "p_1", Resource: "db"}},
		{curfew.KindSessionEnded, curfew.SessionEnded{Session: "s_1", Cause: curfew.CauseClosed, Rows: 7}},
	} {
		all = append(all, curfew.Event{Position: uint64(len(all) + 1), Time: start.Add(time.Duration(len(all)) * time.Second), Kind: e.kind, Body: body(e.body)})
	}
	events := func(n int) iter.Seq2[curfew.Event, error] {
		return func(yield func(curfew.Event, error) bool) {
			for _, e := range all[:n] {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
	for sql, want := range map[string]string{
		"": "",
		"UPDATE doc SET body = replace(body, '7', '8')":         "session s_1 was edited in the history",
		"UPDATE doc SET principal = 'p_2' WHERE kind = 'grant'": "grant gr_1 was edited in the history",
		"DELETE FROM doc WHERE kind = 'request'":                "request rq_1 was removed from the history",
		"INSERT INTO doc SELECT kind, 'gr_2', at, principal, resource, grant_id, status, position, body FROM doc WHERE kind = 'grant'": "grant gr_2 was put into the history",
		"UPDATE entry SET kind = 'x' WHERE position = 2":                                                           "event 2 was edited in the history",
		"DELETE FROM entry WHERE position = 4":                                                                     "event 4 was removed from the history",
		"INSERT INTO entry SELECT 9, at, kind, principal, resource, grant_id, request, session FROM entry LIMIT 1": "event 9 was put into the history",
		"UPDATE position_v3 SET position = 99":                                                                     "the history has come to event 99, and the ledger ends at 4",
		"UPDATE position_v3 SET position = 2":                                                                      "was put into the history",
		"DELETE FROM position_v3":                                                                                  "the history has no position",
	} {
		path := filepath.Join(t.TempDir(), "history ?#.db")
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Apply(ctx, all); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		edit(t, path, sql)
		faults, err := Check(ctx, path, events(len(all)))
		if err != nil {
			t.Fatal(sql, err)
		}
		if got := strings.Join(faults, "; "); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	if faults, err := Check(ctx, filepath.Join(t.TempDir(), "none.db"), events(4)); err != nil || faults != nil {
		t.Error("a history that is not there is built when it is needed:", faults, err)
	}
}

func edit(t *testing.T, path, text string) {
	t.Helper()
	if text == "" {
		return
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var res sql.Result
	if res, err = s.db.Exec(text); err != nil {
		t.Fatal(text, err)
	}
	if n, _ := res.RowsAffected(); n == 0 {
		t.Fatal(text, "changed nothing")
	}
}
