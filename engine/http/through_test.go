package http

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/record"
)

// app is an application that remembers what it was asked.
type app struct {
	*httptest.Server
	mu    sync.Mutex
	asked []asked // guarded by mu
}

type asked struct {
	method, target string
	header         http.Header
	host, body     string
}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		a.mu.Lock()
		a.asked = append(a.asked, asked{r.Method, r.RequestURI, r.Header.Clone(), r.Host, string(text)})
		a.mu.Unlock()
		switch r.URL.Path {
		case "/cookie":
			w.Header().Add("Set-Cookie", "app=1; Path=/; Domain=example.com; HttpOnly")
			w.Header().Set("Curfew-Grant", "forged")
		case "/away":
			http.Redirect(w, r, "http://"+r.Host+"/landed?x=1", http.StatusFound)
			return
		case "/slow":
			select {
			case <-time.After(20 * time.Second):
			case <-r.Context().Done():
			}
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 1000 {
				if _, err := fmt.Fprintf(w, "data: %d\n\n", i); err != nil {
					return
				}
				w.(http.Flusher).Flush()
				select {
				case <-time.After(20 * time.Millisecond):
				case <-r.Context().Done():
					return
				}
			}
			return
		case "/socket":
			echo(t, w, r)
			return
		}
		_, _ = fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Server.Close)
	return a
}

// echo is a WebSocket that sends each frame back, without its mask.
func echo(t *testing.T, w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Extensions: %q\r\n\r\n", r.Header.Get("Sec-WebSocket-Extensions"))
	_ = rw.Flush()
	for {
		h := make([]byte, 6)
		if _, err := io.ReadFull(rw, h); err != nil {
			return
		}
		text := make([]byte, h[1]&0x7f)
		if _, err := io.ReadFull(rw, text); err != nil {
			return
		}
		for i := range text {
			text[i] ^= h[2+i%4]
		}
		_, _ = rw.Write(append([]byte{0x81, byte(len(text))}, text...))
		_ = rw.Flush()
	}
}

func (a *app) last() asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.asked) == 0 {
		return asked{}
	}
	return a.asked[len(a.asked)-1]
}

func (a *app) count(target string) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.asked {
		if x.target == target {
			n++
		}
	}
	return n
}

func (a *app) address() string { return strings.TrimPrefix(a.URL, "http://") }

func worldOf(t *testing.T, deployment string, a *app, more ...func(*enginetest.Options)) *enginetest.World {
	t.Helper()
	e := New()
	e.idle = 300 * time.Millisecond
	opt := enginetest.Options{
		Engine: e, Deployment: deployment, Login: "http://gateway:canary@" + a.address(),
		Resource: curfew.Resource{Name: "admin", Type: "http", Address: a.address(), Account: curfew.Fixed, Options: json.RawMessage(`{"scheme":"http"}`)},
		Roles: map[curfew.RoleName][]string{
			"look": {"read /**", "websocket /socket", "post /mark/*"},
			"fix":  {"read /**", "post /orders/*/refund"},
			"feed": {"websocket /**"},
		},
	}
	for _, f := range more {
		f(&opt)
	}
	return enginetest.New(t, opt)
}

// browser asks through the gateway.
type browser struct {
	client *http.Client
	grant  enginetest.Grant
	host   string
}

func through(w *enginetest.World, g enginetest.Grant) *browser {
	return &browser{
		host: "admin.apps.test", grant: g,
		client: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", w.Address)
			}},
		},
	}
}

// ask returns status and body; target is sent as it stands.
func (b *browser) ask(ctx context.Context, method, target, text string, header ...string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.host+"/", strings.NewReader(text))
	if err != nil {
		return nil, "", err
	}
	req.URL.Opaque = target
	if b.grant.User != "" {
		req.Header.Set("Authorization", "Bearer "+b.grant.User+"."+b.grant.Password)
	}
	for i := 0; i < len(header); i += 2 {
		if strings.EqualFold(header[i], "host") {
			req.Host = header[i+1]
			continue
		}
		req.Header[header[i]] = []string{header[i+1]} // as it is written
	}
	res, err := b.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	out, err := io.ReadAll(res.Body)
	return res, string(out), err
}

func (b *browser) Do(ctx context.Context) error {
	res, text, err := b.ask(ctx, "GET", "/hello", "")
	if err == nil && (res.StatusCode != http.StatusOK || text != "GET /hello") {
		err = fmt.Errorf("%s %s", res.Status, text)
	}
	return err
}

func (b *browser) Close() { b.client.CloseIdleConnections() }

func TestTheSuite(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpsuite", a)
	enginetest.Suite{
		World: w, Role: "look",
		Connect: func(ctx context.Context, user, password string) (enginetest.Client, error) {
			b := through(w, enginetest.Grant{User: user, Password: password})
			res, text, err := b.ask(ctx, "GET", "/", "")
			if err == nil && res.StatusCode != http.StatusOK {
				err = errors.New(text)
			}
			return b, err
		},
		Mark: func(ctx context.Context, c enginetest.Client, word string) error {
			res, text, err := c.(*browser).ask(ctx, "POST", "/mark/"+word, "")
			if err == nil && res.StatusCode != http.StatusOK {
				err = errors.New(text)
			}
			return err
		},
		Marked: func(word string) (int, error) { return a.count("/mark/" + word), nil },
	}.Run(t)
}

func TestWhatIsNotInTheRoleIsNotSent(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httprole", a)
	g := w.Grant("fix", time.Hour)
	b := through(w, g)
	for _, c := range []struct {
		method, target string
		status         int
		rule           string
		sent           string // what the application is asked; "": nothing
	}{
		{"GET", "/orders/7?full=1", 200, "", "/orders/7?full=1"},
		{"POST", "/orders/7/refund", 200, "", "/orders/7/refund"},
		{"POST", "/orders/%37/refund", 200, "", "/orders/7/refund"},
		{"POST", "/orders/./7//x/../refund", 200, "", "/orders/7/refund"},
		{"POST", "/orders/7/delete", 403, "request.role", ""},
		{"POST", "/orders/7/refund/../delete", 403, "request.role", ""},
		{"POST", "/orders/7%2frefund", 400, "request.path", ""},
		{"POST", "/orders/7/refund;x", 400, "request.path", ""},
		{"DELETE", "/orders/7", 403, "request.role", ""},
		{"TRACE", "/", 403, "request.method", ""},
		{"BREW", "/", 403, "request.method", ""},
	} {
		before := len(a.asked)
		res, text, err := b.ask(t.Context(), c.method, c.target, "")
		if err != nil {
			t.Fatal(c, err)
		}
		if res.StatusCode != c.status || c.rule != "" && !strings.Contains(text, c.rule) {
			t.Errorf("%s %s: %s %s", c.method, c.target, res.Status, text)
		}
		if c.sent == "" && len(a.asked) != before || c.sent != "" && a.last().target != c.sent {
			t.Errorf("%s %s: the application was asked %+v", c.method, c.target, a.last().target)
		}
	}
	b.Close()
	ended := w.Ended(g.ID)
	if ended.Refused != 7 || ended.Statements != 4 {
		t.Errorf("%+v", ended)
	}
	if n := len(w.Sessions(g.ID)); n != 1 {
		t.Errorf("%d sessions of one run", n)
	}
	var texts []string
	w.Each(w.Sessions(g.ID)[0], func(it record.Item) {
		if it.Kind == record.Statement || it.Kind == record.Refused {
			texts = append(texts, string(it.Kind)+" "+it.Text)
		}
	})
	for _, want := range []string{"statement GET /orders/7?full=1", "statement POST /orders/7/refund", "refused DELETE /orders/7", "refused POST /orders/7%2frefund"} {
		if !slices.Contains(texts, want) {
			t.Errorf("no %q in %q", want, texts)
		}
	}
}

func TestNobodySaysToTheApplicationWhoTheyAre(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpheaders", a)
	g := w.Grant("look", time.Hour)
	b := through(w, g)
	forged := []string{
		"X-Forwarded-User", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Real-Ip", "Remote-User", "X-Remote-User", "X_remote_user", "X-Auth-Request-Email",
		"X-Original-Url", "X-Original-Method", "X-Rewrite-Url", "X-Override-Url", "X-Forwarded", "X-Authentik-Username", "X-Consumer-Username", "X-Http-Method-Override", "Curfew-Principal", "Curfew-Role", "X-Curfew-User", "cUrFeW-gRaNt", "Proxy-Authorization", "X-Goog-Authenticated-User-Email",
	}
	var header []string
	for _, name := range forged {
		header = append(header, name, "forged")
	}
	header = append(header, "Connection", "curfew-principal, authorization, x-forwarded-for", "X-Mine", "kept")
	for _, extra := range [][]string{nil, {"Upgrade", "websocket"}} {
		h := header
		if extra != nil {
			h = append(append([]string(nil), header...), extra...)
			h[slices.Index(h, "Connection")+1] = "upgrade, curfew-principal"
		}
		target := "/see"
		if extra != nil {
			target = "/socket"
			go func() { time.Sleep(300 * time.Millisecond); w.Revoke(g.ID) }() // the socket ends with it
		}
		_, _, _ = b.ask(t.Context(), "GET", target, "", h...)
		got := a.last()
		if got.target != target {
			t.Fatalf("%s was asked", got.target)
		}
		for name, values := range got.header {
			if slices.Contains(values, "forged") {
				t.Errorf("%s: %s goes through", target, name)
			}
		}
		want := map[string]string{
			"X-Mine": "kept", "Authorization": "Basic Z2F0ZXdheTpjYW5hcnk=", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "admin.apps.test", "X-Forwarded-Proto": "http",
			"Curfew-Role": "look", "Curfew-Grant": string(g.ID), "Curfew-Principal": string(g.Principal),
		}
		for name, value := range want {
			if v := got.header.Values(name); len(v) != 1 || v[0] != value {
				t.Errorf("%s: %s is %q, want %q", target, name, v, value)
			}
		}
		if got.host != a.address() {
			t.Errorf("the host is %q", got.host)
		}
		for _, v := range got.header {
			if strings.Contains(strings.Join(v, " "), g.Password) {
				t.Error("the application learns the client's credential")
			}
		}
	}
}

func TestTheApplicationCanCheckWhoIsAsking(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpidentity", a)
	g := w.Grant("look", time.Hour)
	b := through(w, g)
	if err := b.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	token := a.last().header.Get("Curfew-Identity")
	anonymous := through(w, enginetest.Grant{})
	res, text, err := anonymous.ask(t.Context(), "GET", "/.curfew/keys", "")
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, text, err)
	}
	var set struct {
		Keys []struct{ Kty, Crv, Kid, X string }
	}
	if err := json.Unmarshal([]byte(text), &set); err != nil || len(set.Keys) != 1 || set.Keys[0].Crv != "Ed25519" {
		t.Fatal(text, err)
	}
	parts := strings.Split(token, ".")
	key, err1 := base64.RawURLEncoding.DecodeString(set.Keys[0].X)
	signature, err2 := base64.RawURLEncoding.DecodeString(parts[len(parts)-1])
	if len(parts) != 3 || err1 != nil || err2 != nil || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) {
		t.Fatalf("%q is not signed with %q", token, text)
	}
	says, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Iss, Aud, Sub, Email, Role, Grant string
		Iat, Exp                          int64
	}
	if err := json.Unmarshal(says, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != "curfew:httpidentity" || claims.Aud != "admin" || claims.Sub != string(g.Principal) || !strings.HasSuffix(claims.Email, "@example.com") ||
		claims.Role != "look" || claims.Grant != string(g.ID) || claims.Exp-claims.Iat > 60 || claims.Exp <= claims.Iat {
		t.Errorf("%s", says)
	}
	// Nothing that the gateway answers itself reaches the application, however it is written.
	for _, target := range []string{"/.curfew/x", "/%2ecurfew/keys", "/x/../.curfew/keys", "/.curfew/../.curfew/keys", "/.CURFEW/x"} {
		before := a.last().target
		if _, _, err := b.ask(t.Context(), "GET", target, ""); err != nil {
			t.Fatal(err)
		}
		if got := a.last().target; got != before {
			t.Errorf("%s: the application was asked %s", target, got)
		}
	}
}

func TestAnswersFitTheApplicationsNameHere(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpanswers", a)
	g := w.Grant("look", time.Hour)
	b := through(w, g)
	res, _, err := b.ask(t.Context(), "GET", "/cookie", "")
	if err != nil || res.Header.Get("Set-Cookie") != "app=1; Path=/; HttpOnly" || res.Header.Get("Curfew-Grant") != string(g.ID) {
		t.Errorf("%v %v", res.Header, err)
	}
	if ends, err := http.ParseTime(res.Header.Get("Curfew-Ends")); err != nil || time.Until(ends) < 50*time.Minute {
		t.Errorf("ends %v %v", ends, err)
	}
	res, _, err = b.ask(t.Context(), "GET", "/away", "")
	if err != nil || res.Header.Get("Location") != "/landed?x=1" {
		t.Errorf("%v %v", res.Header, err)
	}
}

func TestStrangersAndOtherNames(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpnames", a)
	g := w.Grant("look", time.Hour)
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"nothing":               {[]string{"Authorization", ""}, 401},
		"another scheme":        {[]string{"Authorization", "Digest x"}, 401},
		"no secret":             {[]string{"Authorization", "Bearer " + g.User}, 401},
		"a wrong secret":        {[]string{"Authorization", "Bearer " + g.User + ".x"}, 401},
		"basic":                 {[]string{"Authorization", "Basic " + basic(g.User, g.Password)}, 200},
		"a wrong basic":         {[]string{"Authorization", "Basic " + basic(g.User, "x")}, 401},
		"its own header":        {[]string{"Authorization", "Bearer of-the-app", ownHeader, g.User + "." + g.Password}, 200},
		"another application":   {[]string{"Host", "billing.apps.test"}, 421},
		"an address":            {[]string{"Host", "127.0.0.1:80"}, 421},
		"a name of one part":    {[]string{"Host", "localhost"}, 421},
		"the name in capitals":  {[]string{"Host", "ADMIN.apps.test"}, 200},
		"something else's name": {[]string{"Host", "evil.example"}, 421},
	} {
		b := through(w, g)
		res, text, err := b.ask(t.Context(), "GET", "/", "", c.header...)
		if err != nil || res.StatusCode != c.status {
			t.Errorf("%s: %v %s %v", name, res, text, err)
		}
		b.Close()
	}
	if got := a.last().header.Get("Authorization"); got == "Bearer of-the-app" {
		t.Error("the gateway's own login gives way to the client's")
	}
}

func basic(user, password string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Basic ")
}

func TestWhatIsUnderWayEndsAndIsTold(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpend", a)
	t.Run("an answer that has not begun", func(t *testing.T) {
		g := w.Grant("look", time.Hour)
		b := through(w, g)
		done := make(chan error, 1)
		go func() { _, _, err := b.ask(t.Context(), "GET", "/slow", ""); done <- err }()
		awaitAsked(t, a, "/slow")
		began := time.Now()
		w.Revoke(g.ID)
		<-done
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %s", took)
		}
		res, text, err := b.ask(t.Context(), "GET", "/", "")
		if err != nil || res.StatusCode != http.StatusForbidden || !strings.Contains(text, `"rule":"grant.revoked"`) && !strings.Contains(text, "grant.ended") || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%v %s %v", res, text, err)
		}
	})
	t.Run("a stream of events", func(t *testing.T) {
		g := w.Grant("look", time.Hour)
		b := through(w, g)
		said := make(chan string, 1)
		go func() { _, text, _ := b.ask(t.Context(), "GET", "/events", ""); said <- text }()
		awaitAsked(t, a, "/events")
		time.Sleep(500 * time.Millisecond)
		w.Revoke(g.ID)
		if text := <-said; !strings.Contains(text, "data: 1\n\n") || !strings.Contains(text, "event: curfew\ndata: {\"code\":\"grant_ended\"") {
			t.Errorf("%.200q … %.300q", text, text[max(0, len(text)-300):])
		}
	})
	t.Run("a WebSocket", func(t *testing.T) {
		g := w.Grant("look", time.Hour)
		conn, err := net.Dial("tcp", w.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		_, _ = fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: admin.apps.test\r\nAuthorization: Bearer %s.%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: x\r\n\r\n", g.User, g.Password)
		in := bufio.NewReader(conn)
		res, err := http.ReadResponse(in, nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("X-Extensions") != `""` {
			t.Fatal(res, err)
		}
		if _, err := conn.Write([]byte{0x81, 0x82, 0, 0, 0, 0, 'h', 'i'}); err != nil {
			t.Fatal(err)
		}
		back := make([]byte, 4)
		if _, err := io.ReadFull(in, back); err != nil || string(back[2:]) != "hi" {
			t.Fatal(back, err)
		}
		w.Revoke(g.ID)
		rest, _ := io.ReadAll(in)
		if len(rest) < 4 || rest[0] != 0x88 || rest[2] != 1008>>8 || rest[3] != 1008&0xff || !strings.Contains(string(rest), "your access to admin ended") {
			t.Errorf("%q", rest)
		}
		w.Await(g.ID, access.Gone)
	})
}

func awaitAsked(t *testing.T, a *app, target string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); a.count(target) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s is not asked for", target)
		}
	}
}

func TestBodiesAreRecordedWhereThePolicySaysSo(t *testing.T) {
	a := newApp(t)
	for _, mode := range []curfew.RecordMode{curfew.RecordLive, curfew.RecordResults} {
		w := worldOf(t, "httpbody"+string(mode), a, func(o *enginetest.Options) { o.Record = mode })
		g := w.Grant("fix", time.Hour)
		b := through(w, g)
		large := `{"why":"` + strings.Repeat("é", bodyLimit) + `"}`
		if _, text, err := b.ask(t.Context(), "POST", "/orders/1/refund", large); err != nil || text != "POST /orders/1/refund" {
			t.Fatal(text, err)
		}
		if got := a.last().body; got != large {
			t.Errorf("the application got %d bytes of %d", len(got), len(large))
		}
		b.Close()
		w.Ended(g.ID)
		var sent, back string
		var cut int
		w.Each(w.Sessions(g.ID)[0], func(it record.Item) {
			for _, v := range it.Values {
				sent += v.Text
				cut += v.Cut
			}
			for _, row := range it.Table {
				back += row[0].Text
			}
		})
		if mode == curfew.RecordLive && sent+back != "" {
			t.Errorf("%q %q", sent, back)
		}
		if mode == curfew.RecordResults && (!strings.HasPrefix(sent, `{"why":"éé`) || len(sent)+cut != len(large) || back != "POST /orders/1/refund") {
			t.Errorf("%d bytes, %d cut, %q", len(sent), cut, back)
		}
	}
}

// raw sends bytes and reads one answer.
func raw(t *testing.T, w *enginetest.World, text string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", w.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestRequestsThatTwoServersReadInTwoWays(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpsmuggle", a)
	g := w.Grant("look", time.Hour)
	auth := "Host: admin.apps.test\r\nAuthorization: Bearer " + g.User + "." + g.Password + "\r\n"
	for name, c := range map[string]struct {
		text string
		most int // status below which it must not be: 200 passes as one request
	}{
		"a slash twice":               {"GET //admin HTTP/1.1\r\n" + auth + "\r\n", 200},
		"an absolute target":          {"GET http://admin.apps.test/x HTTP/1.1\r\n" + auth + "\r\n", 400},
		"another host in the target":  {"GET http://evil.test/x HTTP/1.1\r\n" + auth + "\r\n", 400},
		"two hosts":                   {"GET / HTTP/1.1\r\nHost: other.apps.test\r\n" + auth + "\r\n", 400},
		"two lengths":                 {"POST /mark/x HTTP/1.1\r\n" + auth + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 400},
		"a length and chunks":         {"POST /mark/x HTTP/1.1\r\n" + auth + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", 200},
		"chunks of another spelling":  {"POST /mark/x HTTP/1.1\r\n" + auth + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400},
		"a space before the colon":    {"GET / HTTP/1.1\r\n" + auth + "Content-Length : 5\r\n\r\nhello", 400},
		"a folded header":             {"GET / HTTP/1.1\r\n" + auth + "X-A: b\r\n c\r\n\r\n", 200},
		"a line feed in the target":   {"GET /\nX: y HTTP/1.1\r\n" + auth + "\r\n", 400},
		"a length that is no number":  {"POST /mark/x HTTP/1.1\r\n" + auth + "Content-Length: +5\r\n\r\nhello", 400},
		"an upgrade to something":     {"GET / HTTP/1.1\r\n" + auth + "Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n", 403},
		"an upgrade without its name": {"GET / HTTP/1.1\r\n" + auth + "Connection: upgrade\r\n\r\n", 403},
		"CONNECT":                     {"CONNECT admin.apps.test:80 HTTP/1.1\r\n" + auth + "\r\n", 400},
		"an asterisk":                 {"OPTIONS * HTTP/1.1\r\n" + auth + "\r\n", 400},
	} {
		res := raw(t, w, c.text)
		if res.StatusCode < c.most || c.most >= 400 && res.StatusCode < 400 {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.asked {
		if strings.Contains(x.target, "smuggled") || x.target == "//admin" || strings.Contains(x.target, "evil") {
			t.Errorf("the application was asked %s", x.target)
		}
	}
}

func TestABudgetOfBytesIsMet(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpbudget", a, func(o *enginetest.Options) { o.Budget = curfew.Budget{Statements: 3} })
	g := w.Grant("look", time.Hour)
	b := through(w, g)
	for i := range 5 {
		res, text, err := b.ask(t.Context(), "GET", "/", "")
		if ok := err == nil && res.StatusCode == http.StatusOK; ok != (i < 3) {
			t.Errorf("request %d: %v %s %v", i+1, res, text, err)
		}
	}
	if n := a.count("/"); n != 3 {
		t.Errorf("%d requests have reached the application", n)
	}
}

func TestThroughTLSAndHTTP2(t *testing.T) {
	a := newApp(t)
	cert := httptest.NewUnstartedServer(nil)
	cert.StartTLS()
	defer cert.Close()
	w := worldOf(t, "http2", a, func(o *enginetest.Options) { o.TLS = cert.TLS })
	g := w.Grant("look", time.Hour)
	b := through(w, g)
	tr := b.client.Transport.(*http.Transport)
	tr.ForceAttemptHTTP2 = true
	tr.TLSClientConfig = cert.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	tr.TLSClientConfig.ServerName = "example.com"
	req, _ := http.NewRequestWithContext(t.Context(), "GET", "https://admin.apps.test/hello", nil)
	req.Header.Set("Authorization", "Bearer "+g.User+"."+g.Password)
	for range 3 {
		res, err := b.client.Do(req)
		if err != nil || res.ProtoMajor != 2 || res.StatusCode != http.StatusOK {
			t.Fatal(res, err)
		}
		_ = res.Body.Close()
	}
	if got := a.last().header.Get("X-Forwarded-Proto"); got != "https" {
		t.Error(got)
	}
	w.Revoke(g.ID)
	if res, err := b.client.Do(req); err == nil && res.StatusCode != http.StatusForbidden {
		t.Error(res.Status)
	}
}

func TestShapesHoldNoValues(t *testing.T) {
	for _, it := range []record.Item{
		{Kind: record.Statement, Text: "GET /canary?x=canary", Values: []record.Value{{Text: "canary"}}},
		{Kind: record.Refused, Text: "canary /x", Error: "canary"},
		{Kind: record.Result, Table: [][]record.Value{{{Text: "canary"}}}},
		{Kind: "anything", Text: "canary"},
	} {
		if text := fmt.Sprintf("%+v", New().Shape(it)); strings.Contains(text, "canary") {
			t.Error(text)
		}
	}
}

func TestAWebSocketIsNoWayToReadWhatTheRoleDoesNotHold(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpnosocket", a)
	b := through(w, w.Grant("feed", time.Hour))
	for name, header := range map[string][]string{
		"an upgrade that the application does not know": {"Connection", "Upgrade", "Upgrade", "websocket"},
		"half of an upgrade":                            {"Upgrade", "websocket"},
		"the other half":                                {"Connection", "upgrade"},
	} {
		res, text, err := b.ask(t.Context(), "GET", "/secret", "", header...)
		if err != nil || res.StatusCode != http.StatusForbidden || text == "GET /secret" {
			t.Errorf("%s: %v %s %v", name, res, text, err)
		}
	}
	if n := a.count("/secret"); n != 1 {
		t.Errorf("the application was asked %d times", n)
	}
	b.Close()
}

// from has a browser's connections come from another address of this machine.
func (b *browser) from(w *enginetest.World, address string) *browser {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	b.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", w.Address)
	}
	return b
}

func TestACredentialThatIsShownFromElsewhereJoinsNobodysRun(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpelsewhere", a)
	g := w.Grant("look", time.Hour)
	mine, theirs := through(w, g), through(w, g).from(w, "127.0.0.2")
	for _, b := range []*browser{mine, theirs, mine} {
		if err := b.Do(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if n := len(w.Sessions(g.ID)); n != 2 {
		t.Errorf("%d sessions from two addresses", n)
	}
	once, err := w.Identity.IssueCredential(t.Context(), g.Principal, g.ID, true, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	g.User, g.Password = string(once.ID), once.Secret
	mine, theirs = through(w, g), through(w, g).from(w, "127.0.0.2")
	for i, b := range []*browser{mine, mine, theirs} {
		res, text, err := b.ask(t.Context(), "GET", "/", "")
		if want := []int{200, 200, 401}[i]; err != nil || res.StatusCode != want || i == 2 && !strings.Contains(text, "credential.used") {
			t.Errorf("request %d: %v %s %v", i, res, text, err)
		}
	}
}

func TestAWithdrawnCredentialAsksNothingMore(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpwithdrawn", a)
	g := w.Grant("look", time.Hour)
	b := through(w, g)
	if err := b.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Access.Do(t.Context(), access.SignOutEverywhere{Principal: g.Principal, By: g.Principal}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(countsEvery)
	res, text, err := b.ask(t.Context(), "GET", "/", "")
	if err != nil || res.StatusCode != 401 || !strings.Contains(text, "credential.withdrawn") {
		t.Errorf("%v %s %v", res, text, err)
	}
}

// otherDoor is an engine of another kind that opens a session for whoever comes.
type otherDoor struct {
	*Engine
	claim access.Claim
	err   chan error
}

func (otherDoor) Type() curfew.EngineType { return "other" }
func (d otherDoor) Serve(ctx context.Context, conn net.Conn, gate engine.Gatekeeper) {
	s, err := gate.Open(ctx, d.claim, nil)
	if err == nil {
		s.Close(curfew.CauseClosed, "")
	}
	d.err <- err
	_ = conn.Close()
}

func TestACredentialOpensNoDoorOfAnotherProtocol(t *testing.T) {
	a := newApp(t)
	w := worldOf(t, "httpdoor", a)
	g := w.Grant("look", time.Hour)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	d := otherDoor{New(), access.Claim{Credential: curfew.CredentialID(g.User), Client: "127.0.0.1:1"}, make(chan error, 1)}
	go func() { _ = w.Gateway.Serve(t.Context(), ln, d) }()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := <-d.err; ruleOf(err) != "resource.other" {
		t.Errorf("it is let in: %v", err)
	}
	if n := len(w.Sessions(g.ID)); n != 0 {
		t.Errorf("%d sessions", n)
	}
}
