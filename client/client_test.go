package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(s.URL, "cft.canary", Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestATokenIsNotSentAfterARedirect(t *testing.T) {
	var elsewhere []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.URL.Path)
	}))
	defer other.Close()
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/me", http.StatusTemporaryRedirect)
	})
	_, err := c.Me(t.Context())
	if f := FailureOf(err); f == nil || !strings.Contains(f.Detail, "sends callers elsewhere") {
		t.Errorf("got %v", err)
	}
	if len(elsewhere) > 0 {
		t.Errorf("it went to %v", elsewhere)
	}
}

func TestFaultsBecomeFailures(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"code":"policy.window","title":"Not allowed","detail":"outside hours","status":200,"fix":[{"run":"curfew find"}]}`)
	})
	_, err := c.Ask(t.Context(), Ask{Role: "r", For: "45m"})
	f := FailureOf(fmt.Errorf("ask: %w", err))
	if f == nil || f.Code != "policy.window" || f.Status != http.StatusForbidden || len(f.Fix) != 1 || f.Error() != "outside hours" {
		t.Errorf("got %+v", f)
	}
}

func TestIdentifiersStayInTheirPlace(t *testing.T) {
	var got string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.EscapedPath()
		_, _ = fmt.Fprint(w, `{}`)
	})
	if _, err := c.Request(t.Context(), "a/../b?x#y"); err != nil {
		t.Fatal(err)
	}
	if want := Base + "/requests/a%2F..%2Fb%3Fx%23y"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestServersAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"localhost:7080": "http://localhost:7080", "curfew.example.com": "https://curfew.example.com", "https://Curfew.example.com/join": "https://curfew.example.com",
		"127.0.0.1:1": "http://127.0.0.1:1", "http://[::1]:7080/": "http://[::1]:7080",
	} {
		if got, err := CleanServer(text); err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"", "ftp://x", "https://", "https://a:b@x", "http://a b"} {
		if got, err := CleanServer(text); err == nil {
			t.Errorf("%q is %q", text, got)
		}
	}
	if _, err := New("http://curfew.example.com", "t", Options{}); err == nil {
		t.Error("a token goes to another machine in the clear")
	}
	if _, err := New("http://curfew.example.com", "t", Options{PlainHTTP: true}); err != nil {
		t.Error(err)
	}
}

func TestOnlyTheGivenAuthorityIsTrusted(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"name":"Alice"}`) }))
	defer s.Close()
	c, err := New(s.URL, "t", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Me(t.Context()); FailureOf(err) == nil || FailureOf(err).Code != Unreachable {
		t.Errorf("an unknown authority: %v", err)
	}
	if _, err := New(s.URL, "t", Options{CA: "nonsense"}); err == nil {
		t.Error("nonsense is an authority")
	}
}

func TestEventsResumeWhereTheyBroke(t *testing.T) {
	var lasts []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		lasts = append(lasts, r.Header.Get("Last-Event-ID"))
		switch len(lasts) {
		case 1: // breaks in the middle of the third
			_, _ = fmt.Fprint(w, ": hello\n\nid: 8\nevent: event\ndata: {\"position\":8}\n\nid: 9\nevent: event\ndata: {\"position\":9}\n\nid: 10\nevent: event\nda")
		default:
			_, _ = fmt.Fprint(w, "id: 9\nevent: event\ndata: {\"position\":9}\n\nid: 10\r\nevent: event\ndata: {\"posi\ndata: tion\":10}\n\nid: 11\nevent: event\ndata: {\"position\":11}\n\n")
		}
	})
	var got []uint64
	enough := errors.New("enough")
	err := c.Events(t.Context(), 7, func(e Entry) error {
		if got = append(got, e.Position); e.Position == 11 {
			return enough
		}
		return nil
	})
	// The frame with a broken value is no JSON, and an error of ours: it ends it.
	if err == nil || errors.Is(err, enough) || fmt.Sprint(got) != "[8 9]" || fmt.Sprint(lasts) != "[7 9]" {
		t.Errorf("got %v after %v: %v", got, lasts, err)
	}
}

func TestWatchSeesEveryItemOnce(t *testing.T) {
	n := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 1 {
			_, _ = fmt.Fprint(w, "id: 1\nevent: item\ndata: {\"kind\":\"opened\"}\n\n")
			return
		}
		_, _ = fmt.Fprint(w, "id: 1\nevent: item\ndata: {\"kind\":\"opened\"}\n\nid: 2\nevent: item\ndata: {\"kind\":\"closed\"}\n\nid: 3\nevent: end\ndata: {}\n\n")
	})
	var got []string
	if err := c.Watch(t.Context(), "s_1", func(it Item) error { got = append(got, it.Kind); return nil }); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != "[opened closed]" {
		t.Errorf("got %v", got)
	}
}

func TestARefusedStreamIsNotTakenUpAgain(t *testing.T) {
	n := 0
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		n++
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprint(w, `{"code":"auditor","detail":"only auditors"}`)
	})
	if err := c.Events(t.Context(), 0, func(Entry) error { return nil }); FailureOf(err) == nil || n != 1 {
		t.Errorf("%d tries: %v", n, err)
	}
}

func TestACancelledCallSaysSo(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Me(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCredentialsAreOurOwn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if c, err := ReadCredentials(dir); err != nil || len(c.Servers) != 0 {
		t.Fatalf("nothing is there: %v %v", c, err)
	}
	in := Credentials{Current: "https://a", Servers: map[string]Login{"https://a": {Token: "t"}, "https://b": {Token: "u"}}}
	if err := WriteCredentials(dir, in); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "credentials.json")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	if out, err := ReadCredentials(dir); err != nil || out.Servers["https://b"].Token != "u" || out.Current != "https://a" {
		t.Errorf("got %+v, %v", out, err)
	}
	for _, mode := range []os.FileMode{0o644, 0o640, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadCredentials(dir); FailureOf(err) == nil {
			t.Errorf("mode %04o is used", mode)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestConfigDir(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"CURFEW_CONFIG_DIR": "/c", "XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/c"},
		{map[string]string{"XDG_CONFIG_HOME": "/x", "HOME": "/h"}, "/x/curfew"},
		{map[string]string{"XDG_CONFIG_HOME": "relative", "HOME": "/h"}, "/h/.config/curfew"},
	} {
		if got, err := ConfigDir(func(k string) string { return c.env[k] }); err != nil || got != c.want {
			t.Errorf("%v: %q (%v), want %q", c.env, got, err, c.want)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add("id: 1\nevent: item\ndata: {}\n\n")
	f.Add(":\n\ndata\ndata: x\n\nid: 99999999999999999999\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = readFrames(strings.NewReader(text), func(fr frame) error {
			if fr.data == nil {
				t.Error("a frame without data")
			}
			return nil
		})
	})
}
