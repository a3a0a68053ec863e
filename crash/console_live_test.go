package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/servers"
)

// hostile is what a program prints that would rather act in the watcher's browser than be read.
const hostile = "\x1b]0;title <img src=x onerror=alert(4)>\x07\x1b]2;owned\x07" + // a window's title
	"\x1b]8;;javascript:alert(5)\x07a link\x1b]8;;\x07 " + // a link
	"\x1b]52;c;b3duZWQ=\x07" + // the clipboard
	"\x1b[8mhidden words\x1b[0m \x1b[30;40mblack on black\x1b[0m " +
	"a\u202eb\u2066c\u200bd <script>alert(6)</script> <img src=x onerror=alert(7)>\x1bP1$r\x1b\\\x1b_x\x1b\\\x9b31m \u009b32mC1\x07\r\n"

// moment is a past moment, and who could reach the database then as the command line says.
type moment struct {
	At   time.Time  `json:"at"`
	Rows [][]string `json:"rows"` // name, how, role
}

// who asks the command line who could reach the database at a moment.
func (g *gateway) who(as person, at time.Time) moment {
	g.t.Helper()
	out := g.must(as, "", "who-can", "shop-db", "--at", at.Format(time.RFC3339Nano), "--json")
	var reach client.Reach
	if err := json.Unmarshal([]byte(out), &reach); err != nil {
		g.t.Fatalf("%v: %s", err, out)
	}
	m := moment{At: at, Rows: [][]string{}}
	for _, p := range reach.Paths {
		m.Rows = append(m.Rows, []string{p.Person.Name, p.How, p.Role})
	}
	return m
}

// applied to an application: its resource, a role and a policy.
func (g *gateway) application(text string) string {
	g.t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprintf(w, "this is %s\n", r.URL.Path) }))
	g.t.Cleanup(app.Close)
	g.flags = append(g.flags, "--apps", freeAddress(g.t))
	text = strings.Replace(text, "\nroles:\n", fmt.Sprintf("\n  office:\n    type: http\n    address: %s\n    account: fixed\n    options: { scheme: http }\n\nroles:\n  office/reader:\n    on: office\n    may: [read /**]\n    longest: 1h\n", strings.TrimPrefix(app.URL, "http://")), 1)
	return text + "  offices:\n    who: workers\n    may have: office/reader\n    at most: 1h\n"
}

// visits sends one request to the application, as a client does.
func (g *gateway) visits(who person, path string) {
	g.t.Helper()
	ctx := context.Background()
	r, err := who.Ask(ctx, client.Ask{Role: "office/reader", For: "30m", Reason: "to look"})
	var cred client.Credential
	if err == nil {
		cred, err = who.Credential(ctx, r.Grant, client.WantCredential{Many: true, For: "30m"})
	}
	if err != nil {
		g.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s:%d%s", cred.Host, cred.Port, path), http.NoBody)
	if err != nil {
		g.t.Fatal(err)
	}
	req.Host = fmt.Sprintf("office.localhost:%d", cred.Port)
	req.Header.Set("Authorization", "Bearer "+cred.User+"."+cred.Password)
	req.Header.Set("User-Agent", "<img src=x onerror=alert(8)>")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		g.t.Fatalf("%v %+v\n%s", err, res, tail(g.log()))
	}
	_ = res.Body.Close()
}

// TestConsoleLive drives what shows sessions and the past: live ones, replay, receipts and
// evidence, the access map, the audit log; before sessions whose every text is hostile.
func TestConsoleLive(t *testing.T) {
	needBrowser(t)
	together(t)
	pg := shop(t)
	g := newGateway(t, "seen", loginOf(pg))
	text := strings.Replace(audited(configurationOf(pg)), "\ngroups:\n  workers: [", "  eve@shop.example: { name: \"Eve <b>X</b>\" }\n\ngroups:\n  workers: [eve@shop.example, ", 1)
	host, text := g.hosted(text)
	text = g.application(text)
	g.start()
	people := g.everybody(pg)
	ada, w1, w2 := people["ada"], people["w1"], people["w2"]
	var moments []moment
	remember := func() {
		at := time.Now()
		time.Sleep(20 * time.Millisecond)
		moments = append(moments, moment{At: at})
	}
	remember()
	ada.applies(t, text)
	g.trusts(ada, host)
	remember()

	// A database session with hostile statements, by a program with a hostile name.
	grant := g.given(w2)
	remember()
	cred, err := w2.Credential(context.Background(), grant.ID, client.WantCredential{Many: true, For: "30m"})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dialAs(context.Background(), cred, `<img src=x onerror=alert(1)>`)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"SELECT 'needleofsql <script>alert(2)</script>' FROM orders LIMIT 1", "SELECT 'x\u202egnp.exe' FROM orders LIMIT 2", "DELETE FROM orders"} {
		_, _ = conn.Exec(context.Background(), sql)
	}
	_ = conn.Close(context.Background())
	g.visits(w1, "/orders/%3Cscript%3Ealert(3)%3C/script%3E?q=<img+src=x>")
	if _, err := ada.Revoke(context.Background(), grant.ID, client.Why{Why: "it is over"}); err != nil {
		t.Fatal(err)
	}
	remember()
	for i := range moments {
		moments[i] = g.who(ada, moments[i].At)
	}
	if fmt.Sprint(moments[1].Rows) == fmt.Sprint(moments[2].Rows) || fmt.Sprint(moments[2].Rows) == fmt.Sprint(moments[3].Rows) || len(moments[0].Rows) == 0 {
		t.Errorf("the moments do not differ: %+v", moments)
	}

	lives := g.livesOnHost(host, w1)
	browse(t, g, "live.mjs", map[string]any{
		"moments": moments, "folder": t.TempDir(), "pictures": os.Getenv("CURFEW_SHOTS") != "",
		"people": map[string]any{"dana": shownAs("lea", "Lea Lead"), "ada": shownAs("ada", "Ada Admin"), "worker": shownAs("w1", "Worker One")},
	}, done(func(what string) {
		switch do, path, _ := strings.Cut(what, " "); do {
		case "evidence":
			out := g.must(ada, "", "sessions", "verify", path, "--genesis-key", g.said["genesis"])
			if !strings.Contains(out, "Nothing was changed") {
				t.Errorf("the evidence: %s", out)
			}
		case "ledger":
			if out := g.must(ada, "", "ledger", "verify", path, "--genesis-key", g.said["genesis"]); !strings.Contains(out, "is whole") {
				t.Errorf("the ledger: %s", out)
			}
		case "type": // what the one at the host types
			lives(path)
		default:
			t.Errorf("nobody can %s", what)
		}
	}))
}

// livesOnHost is a shell at the host by a client with a hostile name; what is typed there is
// run by a script of the test's own.
func (g *gateway) livesOnHost(host *servers.SSH, who person) (do func(what string)) {
	g.t.Helper()
	place, err := host.Workplace("lives")
	if err != nil {
		g.t.Fatal(err)
	}
	files := map[string]string{"hostile": hostile, "long": strings.Repeat("0123456789abcdef", 1<<16) + "\r\n"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(place, name), []byte(text), 0o644); err != nil {
			g.t.Fatal(err)
		}
	}
	c := g.atHost(who, "SSH-2.0-<img/src=x/onerror=alert(9)>")
	s, err := c.NewSession()
	if err == nil {
		err = s.RequestPty("xterm-256color", 24, 80, nil)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	in, _ := s.StdinPipe()
	out, _ := s.StdoutPipe()
	if err := s.Start(fmt.Sprintf(`cd %s; stty -echo; echo ready; while read x; do case $x in
		hostile) cat hostile;;
		colours) printf '\033[31mfai'; sleep 0.1; printf 'lure\033[0m of \033[1;42mpump\033[0m seven\r\n'; sleep 0.3;;
		letters) for l in n e e d l e o f k e y s; do printf "$l"; sleep 0.02; done; printf '\r\n';;
		long) cat long; printf '\r\nafter it\r\n';;
		whole) printf '\033[?1049h\033[2J\033[5;10Hwhole screen\033[7m inverse \033[0m'; sleep 0.3; printf '\033[?1049l';;
		exit) exit 3;;
		*) printf "$x\r\n";; esac; done`, place)); err != nil {
		g.t.Fatal(err)
	}
	go func() {
		buf := make([]byte, 64<<10)
		for {
			if _, err := out.Read(buf); err != nil {
				return
			}
		}
	}()
	return func(what string) {
		if size, ok := strings.CutPrefix(what, "size "); ok {
			var columns, rows int
			_, _ = fmt.Sscanf(size, "%dx%d", &columns, &rows)
			_ = s.WindowChange(rows, columns)
			return
		}
		if _, err := in.Write([]byte(what + "\n")); err != nil {
			g.t.Errorf("type %s: %v", what, err)
		}
	}
}
