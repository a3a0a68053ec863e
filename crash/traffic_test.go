package crash

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/servers"
)

// vitals are what must stay flat.
type vitals struct {
	descriptors, goroutines, resident float64
}

func (g *gateway) vitals() vitals {
	g.t.Helper()
	r, err := http.Get(g.said["metrics"]) //nolint:noctx // a test on loopback
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	found := map[string]float64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		found[name], _ = strconv.ParseFloat(value, 64)
	}
	v := vitals{found["process_open_fds"], found["go_goroutines"], found["process_resident_memory_bytes"]}
	if v.descriptors == 0 || v.goroutines == 0 || v.resident == 0 {
		g.t.Fatalf("no vitals in\n%s", text)
	}
	return v
}

func pgbench(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path
	}
	bin, err := servers.PostgresBin()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(bin, "pgbench")
}

// load is one pgbench under one grant.
type load struct {
	grant string
	who   person
	run   *child
	said  *bytes.Buffer
}

func (g *gateway) load(who person, script string) *load {
	g.t.Helper()
	grant := g.given(who)
	cred, err := who.Credential(context.Background(), grant.ID, client.WantCredential{Many: true, For: "30m"})
	if err != nil {
		g.t.Fatalf("credential: %v", err)
	}
	l := &load{grant: grant.ID, who: who, said: &bytes.Buffer{}}
	mode := []string{"simple", "prepared"}[grant.Position%2]
	cmd := exec.Command(pgbench(g.t), "-n", "-M", mode, "-c", "3", "-T", "3600", "-f", script)
	cmd.Env = append(os.Environ(), "PGHOST="+cred.Host, fmt.Sprintf("PGPORT=%d", cred.Port), "PGUSER="+cred.User, "PGPASSWORD="+cred.Password,
		"PGDATABASE="+cred.Database, "PGSSLMODE=require")
	cmd.Stdout, cmd.Stderr = l.said, l.said
	l.run = launch(g.t, cmd)
	return l
}

// TestTrafficWithARevokeASecondStaysFlat has pgbench run under three people's grants
// while the oldest grant is revoked, and another one given, each second.
func TestTrafficWithARevokeASecondStaysFlat(t *testing.T) {
	pg := shop(t)
	g := newGateway(t, "traffic", loginOf(pg))
	g.flags = []string{"--metrics", "127.0.0.1:0"}
	g.start()
	// Nobody may ask more often than ten times a minute: there are enough who take turns.
	names := []string{"w4", "w5", "w6", "w7", "w8"}
	people := g.everybody(pg, names...)
	names = append(names, "w1", "w2", "w3")
	script := filepath.Join(t.TempDir(), "read.sql")
	if err := os.WriteFile(script, []byte("\\set n random(1, 100)\nSELECT count(*) FROM orders WHERE id = :n;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var running []*load
	for _, name := range names[:3] {
		running = append(running, g.load(people[name], script))
	}
	var seen []vitals
	cuts, untold, slowest := 0, 0, time.Duration(0)
	for began := time.Now(); time.Since(began) < trafficFor; {
		next := time.Now().Add(time.Second)
		old := running[0]
		cut := time.Now()
		if _, err := people["ada"].Revoke(context.Background(), old.grant, client.Why{Why: "a revoke a second"}); err != nil {
			t.Fatal(err)
		}
		if !within(10*time.Second, old.run.over) {
			t.Fatalf("pgbench goes on after its grant was revoked:\n%s", tail(g.log()))
		}
		slowest = max(slowest, time.Since(cut))
		cuts++
		if out := old.said.String(); !strings.Contains(out, "your access to shop-db ended") {
			untold++ // the farewell has a few milliseconds, and the machine may be busier than that
			t.Logf("pgbench was not told why:\n%s", tail(out))
		}
		running = append(running[1:], g.load(people[names[(cuts+2)%len(names)]], script))
		time.Sleep(time.Until(next))
		seen = append(seen, g.vitals())
	}
	if untold > cuts/5 {
		t.Errorf("%d of %d were not told why", untold, cuts)
	}
	t.Logf("%d revokes; the slowest end of a pgbench came after %s", cuts, slowest.Round(time.Millisecond))
	flat(t, seen)
	for _, l := range running {
		if _, err := people["ada"].Revoke(context.Background(), l.grant, client.Why{Why: "over"}); err != nil {
			t.Error(err)
		}
		<-l.run.gone
	}
	if !within(20*time.Second, func() bool {
		n, err := pg.One(context.Background(), "shop", "SELECT count(*)::text FROM pg_roles WHERE rolname LIKE 'curfew_traffic_l_%'")
		return err == nil && n == "0"
	}) {
		t.Error("accounts are left at the target")
	}
	g.verify(people["ada"])
}

// flat compares the first quarter, after a start, with the last.
func flat(t *testing.T, seen []vitals) {
	t.Helper()
	quarter := len(seen) / 4
	if quarter == 0 {
		t.Fatalf("%d samples", len(seen))
	}
	median := func(from []vitals, of func(vitals) float64) float64 {
		var all []float64
		for _, v := range from {
			all = append(all, of(v))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	for name, c := range map[string]struct {
		of    func(vitals) float64
		slack float64
	}{
		"descriptors":     {func(v vitals) float64 { return v.descriptors }, 20},
		"goroutines":      {func(v vitals) float64 { return v.goroutines }, 40},
		"resident memory": {func(v vitals) float64 { return v.resident }, 48 << 20},
	} {
		first, last := median(seen[quarter:2*quarter], c.of), median(seen[len(seen)-quarter:], c.of)
		t.Logf("%s: %.0f, at the end %.0f", name, first, last)
		if last > first*1.2+c.slack {
			t.Errorf("%s grew from %.0f to %.0f", name, first, last)
		}
	}
}
