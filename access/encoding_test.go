package access

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
)

// What the ledger holds is for ever: these are the bodies as they are written.
func TestEncodingsOfWhatWaits(t *testing.T) {
	at := time.Date(2026, 6, 2, 14, 32, 0, 0, time.UTC)
	for want, body := range map[string]any{
		`{"statement":"st_1","session":"s_1","grant":"gr_1","principal":"p_1","resource":"db","classes":["drop"],"digest":"AQ==","by":{"count":1,"from":[{"group":"dba"}]},"lapses":"2026-06-02T14:32:00Z"}`: curfew.StatementHeld{
			Statement: "st_1", Session: "s_1", Grant: "gr_1", Principal: "p_1", Resource: "db", Classes: []curfew.StatementClass{curfew.ClassDrop}, Digest: []byte{1},
			By: curfew.ApprovalNeed{Count: 1, From: []curfew.Subject{{Group: "dba"}}}, Lapses: at,
		},
		`{"statement":"st_1","session":"s_1","by":"p_2","all":["p_2"],"digest":"AQ=="}`: curfew.StatementActed{Statement: "st_1", Session: "s_1", By: "p_2", All: []curfew.Principal{"p_2"}, Digest: []byte{1}},
		`{"statement":"st_1","session":"s_1","why":"Ag==","cause":"denied"}`:            curfew.StatementActed{Statement: "st_1", Session: "s_1", Why: curfew.Sealed{2}, Cause: curfew.CauseDenied},
		`{"statements":["drop"],"by":{"count":1},"within":600000000000}`:                curfew.Release{Statements: []curfew.StatementClass{curfew.ClassDrop}, By: curfew.ApprovalNeed{Count: 1}, Within: 10 * time.Minute},
		`{"request":"rq_1","principal":"p_1","role":"r","resource":"db","duration":1,"reason":"Ag==","policy":"p","lapses":"2026-06-02T14:32:00Z","role_version":"a","policy_version":"b","resource_version":"c","digest":"AQ==","credential":"c_1","credential_until":"2026-06-02T14:32:00Z"}`: curfew.RequestAsked{
			Request: "rq_1", Principal: "p_1", Role: "r", Resource: "db", Duration: 1, Reason: curfew.Sealed{2}, Policy: "p", Lapses: at,
			RoleVersion: "a", PolicyVersion: "b", ResourceVersion: "c", Digest: []byte{1}, Credential: "c_1", CredentialUntil: at,
		},
	} {
		if got, err := json.Marshal(body); err != nil || string(got) != want {
			t.Errorf("got  %s (%v)\nwant %s", got, err, want)
		}
	}
	// Without what is new, what is old is as it was: digests and versions of before still hold.
	for _, body := range []any{curfew.RequestAsked{}, curfew.GrantApproved{}, curfew.SessionOpened{}, curfew.Policy{}} {
		got, _ := json.Marshal(body)
		var fields map[string]any
		_ = json.Unmarshal(got, &fields)
		for _, name := range []string{"credential", "credential_until", "credential_asks", "release"} {
			if _, ok := fields[name]; ok {
				t.Errorf("%T says %s where it has none", body, name)
			}
		}
	}
}
