package metrics

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/ledger/ledgertest"
	ledgermem "github.com/curfewhq/curfew/ledger/mem"
)

const root, alice = curfew.Principal("p_canaryroot"), curfew.Principal("p_canaryalice")

// used is a service under which Alice has used a grant, and has another one.
func used(t *testing.T) (*access.Service, *Metrics) {
	t.Helper()
	l := ledgertest.Begun(t, ledgermem.New)
	ctx, cancel := context.WithCancel(context.Background())
	a, err := access.Open(ctx, access.Parts{Ledger: l})
	if err != nil {
		t.Fatal(err)
	}
	m := New(a)
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	wg.Go(func() { _ = m.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	do := func(c access.Command) {
		t.Helper()
		if _, err := a.Do(ctx, c); err != nil {
			t.Fatalf("%T: %v", c, err)
		}
	}
	do(access.AddPerson{PrincipalAdded: curfew.PrincipalAdded{Principal: root, Kind: curfew.Person}})
	do(access.IssueLink{SecretListed: curfew.SecretListed{ID: "k_1", Principal: root, Until: time.Now().Add(time.Hour)}})
	do(access.Join{Link: "k_1", Passphrase: curfew.SecretListed{ID: "k_1", Principal: root}})
	do(access.AddPerson{PrincipalAdded: curfew.PrincipalAdded{Principal: alice, Kind: curfew.Person, By: root}})
	do(access.Propose{Author: root, Change: a.Plan(curfew.Config{
		Groups:    map[curfew.GroupName][]curfew.Principal{"canarygroup": {alice}, curfew.Administrators: {root}},
		Resources: map[curfew.ResourceName]curfew.Resource{"canarydb": {Name: "canarydb", Type: "postgres", Address: "canaryhost:5432", Login: "env:DB", Account: curfew.Fixed}},
		Roles:     map[curfew.RoleName]curfew.Role{"canaryrole": {Name: "canaryrole", On: "canarydb", May: []string{"read orders"}, Longest: time.Hour}},
		Policies: map[curfew.PolicyName]curfew.Policy{"canarypolicy": {Name: "canarypolicy", Who: []curfew.Subject{{Group: "canarygroup"}}, Roles: []curfew.RoleName{"canaryrole"},
			AnswerWithin: time.Hour, UseWithin: time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive}},
	})})
	for i, g := range []curfew.GrantID{"gr_canary1", "gr_canary2"} {
		do(access.Ask{Request: "rq_canary" + curfew.RequestID(g), Grant: g, Question: access.Question{Principal: alice, Role: "canaryrole", Duration: time.Hour, Reason: "canary"}})
		p, err := a.OpenSession(ctx, access.OpenSession{Session: "s_canary" + curfew.SessionID(g), Client: "10.9.8.7:1",
			Credential: access.Credential{ID: "c_canary" + curfew.CredentialID(g), Principal: alice, Grant: g, Until: time.Now().Add(time.Hour)}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			do(access.Revoke{Grant: g, By: root})
			if err := a.CloseSession(ctx, p, curfew.SessionEnded{Session: p.Session(), Cause: curfew.CauseRevoked, Statements: 3, Rows: 40, CutTook: 20 * time.Millisecond}); err != nil {
				t.Fatal(err)
			}
		}
	}
	do(access.Note{Kind: curfew.KindSessionRefused, Body: curfew.SessionRefused{Principal: alice, Client: "10.9.8.7", Rule: "grant.ended"}})
	do(access.Note{Kind: curfew.KindRefusalsCounted, Body: curfew.RefusalsCounted{SessionRefused: curfew.SessionRefused{Rule: "grant.ended"}, Times: 4}})
	return a, m
}

func ask(m *Metrics, method, url string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(method, url, nil))
	return w
}

func TestMetricsSayWhatHappenedAndNameNobody(t *testing.T) {
	_, m := used(t)
	wants := []string{
		`curfew_requests_total{outcome="asked"} 2`, `curfew_requests_total{outcome="approved"} 2`, `curfew_grants_started_total 2`,
		`curfew_grants_ended_total{cause="revoked"} 1`, `curfew_grants_active 1`, `curfew_sessions_active{type="postgres"} 1`,
		`curfew_sessions_opened_total 2`, `curfew_sessions_ended_total{cause="revoked"} 1`, `curfew_sessions_refused_total{rule="grant.ended"} 5`,
		`curfew_statements_total 3`, `curfew_rows_total 40`, `curfew_session_cut_seconds_count 1`, `curfew_unwritten 0`, `curfew_closed{why="restored"} 0`,
	}
	var text string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text = ask(m, "GET", "http://127.0.0.1:7090/metrics").Body.String()
		if strings.Contains(text, wants[8]) { // the last that is counted
			break
		}
	}
	for _, w := range wants {
		if !strings.Contains(text, w+"\n") {
			t.Errorf("there is no %s in\n%s", w, text)
		}
	}
	for _, never := range []string{"canary", "10.9.8.7"} {
		if strings.Contains(text, never) {
			t.Errorf("%q is in\n%s", never, text)
		}
	}
}

func TestMetricsAreForThisMachine(t *testing.T) {
	_, m := used(t)
	for _, c := range []struct {
		method, url string
		status      int
	}{
		{"GET", "http://localhost:7090/metrics", 200}, {"GET", "http://[::1]:7090/metrics", 200}, {"GET", "http://evil.example:7090/metrics", 403},
		{"GET", "http://localhost.evil.example/metrics", 403}, {"GET", "http://10.0.0.7/metrics", 403}, {"POST", "http://127.0.0.1/metrics", 405},
		{"GET", "http://127.0.0.1/", 404},
	} {
		if w := ask(m, c.method, c.url); w.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.url, w.Code, c.status)
		}
	}
}
