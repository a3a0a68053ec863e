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
	for _, body := range []any{curfew.RequestAsked{}, curfew.GrantApproved{}, curfew.SessionOpened{}, curfew.Policy{}, curfew.RequestActed{}, curfew.StatementActed{}, curfew.PlanActed{}} {
		got, _ := json.Marshal(body)
		var fields map[string]any
		_ = json.Unmarshal(got, &fields)
		for _, name := range []string{"credential", "credential_until", "credential_asks", "release", "touch"} {
			if _, ok := fields[name]; ok {
				t.Errorf("%T says %s where it has none", body, name)
			}
		}
	}
}

// What an approver has signed is for ever too: one encoding, of every field.
func TestEncodingOfWhatIsSigned(t *testing.T) {
	at := time.Date(2026, 6, 2, 14, 32, 0, 0, time.UTC)
	r := curfew.Record{
		Deployment: "d", Genesis: []byte{1}, Act: curfew.ActApprove, Approver: "p_2", Requester: "p_1", Subject: "rq_1", Event: []byte{2}, Shown: []byte{3},
		Role: "r", RoleVersion: "a", May: []string{"read <orders>"}, Never: nil, Resource: "db", ResourceVersion: "c", Address: "db:5432", Options: `{"tls":1}`, Account: curfew.Leased,
		Start: at, Duration: time.Hour, Ends: "e", Policy: "p", PolicyVersion: "b", Facts: []string{"f"}, Workflow: "w", WorkflowOpen: true, Statement: nil,
		Nonce: []byte{4}, Expires: at, HeadSize: 9, HeadRoot: []byte{5},
	}
	const want = `{"domain":"curfew decision v1","deployment":"d","genesis":"AQ==","act":"approve","approver":"p_2","requester":"p_1","subject":"rq_1","event":"Ag==","shown":"Aw==",` +
		`"role":"r","role_version":"a","may":["read \u003corders\u003e"],"never":null,"resource":"db","resource_version":"c","address":"db:5432","options":"{\"tls\":1}","account":"leased",` +
		`"start":"2026-06-02T14:32:00Z","duration":3600000000000,"ends":"e","policy":"p","policy_version":"b","facts":["f"],"workflow":"w","workflow_open":true,"statement":null,` +
		`"nonce":"BA==","expires":"2026-06-02T14:32:00Z","head_size":9,"head_root":"BQ=="}`
	if got := string(r.Canonical()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, text := range map[string]string{
		"spaces":          want + " ",
		"another order":   `{"deployment":"d","domain":"curfew decision v1"}`,
		"a field twice":   want[:len(want)-1] + `,"act":"deny"}`,
		"a field of more": want[:len(want)-1] + `,"more":1}`,
		"another domain":  `{"domain":"curfew request v1"}`,
	} {
		if _, ok := curfew.ParseRecord([]byte(text)); ok {
			t.Errorf("a record with %s is taken", name)
		}
	}
	if _, ok := curfew.ParseRecord([]byte(want)); !ok {
		t.Error("a record is not taken")
	}
}
