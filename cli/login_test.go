package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestLoginByLink(t *testing.T) {
	f := newFake(t)
	s := newShell(t, f)
	delete(s.env, "CURFEW_SERVER")
	delete(s.env, "CURFEW_TOKEN")
	s.person = &person{secrets: []string{"correct horse", "correct horse"}}
	has(t, s.must("", "login", f.URL+"/join#cfl.k_1.secret"), "✓ Signed in to acme as Alice Moreau until 18:00.")
	has(t, f.called("POST /sign-in")[0].body, `"link":"cfl.k_1.secret"`, `"passphrase":"correct horse"`)

	file := filepath.Join(s.env["CURFEW_CONFIG_DIR"], "credentials.json")
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the credentials: %v", err)
	}
	s.must("", "grants")
	if got := f.called("GET /grants")[0].token; got != "Bearer cft.new" {
		t.Errorf("the token is %q", got)
	}

	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, errs := s.run("", "grants")
	if code != 4 {
		t.Errorf("a file that others can read: exit %d, want 4", code)
	}
	has(t, errs, "Others on this machine can read", "chmod 600")
	if err := os.Chmod(file, 0o600); err != nil {
		t.Fatal(err)
	}

	has(t, s.must("", "logout", "--everywhere"), "Signed out everywhere")
	if code, _, _ := s.run("", "grants"); code != 4 {
		t.Errorf("signed out: exit %d, want 4", code)
	}
}

func TestLoginByAddress(t *testing.T) {
	f := newFake(t)
	s := newShell(t, f)
	delete(s.env, "CURFEW_TOKEN")
	s.must("correct horse\n", "login", "--server", f.URL, "--email", "alice@acme.io", "--passphrase-stdin")
	has(t, f.called("POST /sign-in")[0].body, `"email":"alice@acme.io"`, `"passphrase":"correct horse"`)
}

func TestTwoPassphrasesThatDiffer(t *testing.T) {
	f := newFake(t)
	s := newShell(t, f)
	s.person = &person{secrets: []string{"one", "two"}}
	if code, _, _ := s.run("", "login", f.URL+"/join#cfl.k_1.secret"); code != 2 || len(f.called("POST /sign-in")) != 0 {
		t.Errorf("exit %d: the link was used up", code)
	}
}

func TestATokenIsNotSentInTheClear(t *testing.T) {
	s := newShell(t, newFake(t))
	s.env["CURFEW_SERVER"] = "http://curfew.example.com"
	code, _, errs := s.run("", "grants")
	if code != 1 {
		t.Errorf("exit %d, want 1", code)
	}
	has(t, errs, "in the clear", "--plain-http")
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{"45m": 45 * time.Minute, "2h": 2 * time.Hour, "1h30m": 90 * time.Minute, "45 min": 45 * time.Minute, "2 hours": 2 * time.Hour, "1d": 24 * time.Hour, "1d2h": 26 * time.Hour} {
		if got, err := parseFor(text); err != nil || got != want {
			t.Errorf("%q is %v (%v), want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-5m", "soon", "45", "9999999h9999999999h", "1d-30h", "99999d"} {
		if got, err := parseFor(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestTimes(t *testing.T) {
	day := func(d, h, m int) time.Time { return time.Date(2026, 6, d, h, m, 0, 0, time.UTC) }
	for _, c := range []struct { // it is Tuesday, 2 June, 14:02
		text string
		past bool
		want time.Time
	}{
		{"15:00", false, day(2, 15, 0)}, {"13:00", false, day(3, 13, 0)}, {"13:00", true, day(2, 13, 0)}, {"15:00", true, day(1, 15, 0)}, {"9:00", true, day(2, 9, 0)},
		{"tomorrow 9:00", false, day(3, 9, 0)}, {"yesterday 23:10", true, day(1, 23, 10)}, {"mon 9:00", false, day(8, 9, 0)}, {"Monday 9:00", true, day(1, 9, 0)},
		{"tue 9:00", false, day(9, 9, 0)}, {"2026-06-05 10:00", false, day(5, 10, 0)}, {"2026-06-05T10:00:00Z", false, day(5, 10, 0)}, {"now", true, noon()},
	} {
		if got, err := parseWhen(c.text, noon(), c.past); err != nil || !got.Equal(c.want) {
			t.Errorf("%q (past: %v) is %v (%v), want %v", c.text, c.past, got, err, c.want)
		}
	}
	for _, text := range []string{"", "25:00", "9", "soon", "someday 9:00", "m 9:00"} {
		if got, err := parseWhen(text, noon(), false); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
