package bench

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	enginehttp "github.com/curfewhq/curfew/engine/http"
	"github.com/curfewhq/curfew/gateway"
)

// BenchmarkHTTPGet is P6 for HTTP: one small GET after the other on a connection that
// stays, direct, through net/http's reverse proxy alone, through nginx, and through the
// engine by a credential and by a browser's cookie, in turns (goal: the engine adds at most 100 µs in the median and 400 µs at p99).
func BenchmarkHTTPGet(b *testing.B) {
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	b.Cleanup(app.Close)
	address := hostPort(app.URL)
	bare := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "http", Host: address}) }})
	b.Cleanup(bare.Close)
	w := enginetest.New(b, enginetest.Options{
		Engine: enginehttp.New(), Deployment: "benchhttp", Login: "http://gateway:secret@" + address,
		Resource: curfew.Resource{Name: "app", Type: "http", Address: address, Account: curfew.Fixed, Options: json.RawMessage(`{"scheme":"http"}`)},
		Roles:    map[curfew.RoleName][]string{"look": {"read /**"}},
		Browsers: gateway.Browsers{Console: "http://curfew.console.test", Apps: "http://*.apps.test"},
	})
	g := w.Grant("look", time.Hour)
	cookie := visitCookie(b, w, g, "app")
	type way struct{ name, address string }
	ways := []way{{"direct", address}, {"bare", hostPort(bare.URL)}, {"engine", w.Address}, {"cookie", w.Address}}
	if at := startNginx(b, address); at != "" {
		ways = append(ways, way{"nginx", at})
	}
	clients := map[string]*http.Client{}
	for _, way := range ways {
		clients[way.name] = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", way.address)
		}}}
	}
	get := func(name string) time.Duration {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://app.apps.test/x/y?z=1", nil)
		must(b, err)
		if name == "cookie" {
			req.AddCookie(cookie)
		} else {
			req.Header.Set("Authorization", "Bearer "+g.User+"."+g.Password)
		}
		began := time.Now()
		res, err := clients[name].Do(req)
		must(b, err)
		text, err := io.ReadAll(res.Body)
		must(b, err)
		must(b, res.Body.Close())
		took := time.Since(began)
		if string(text) != "hello" {
			b.Fatalf("%s: %s %s", name, res.Status, text)
		}
		return took
	}
	each := 300
	if full() {
		each = 5000
	}
	took := map[string][]time.Duration{}
	for b.Loop() {
		for range each {
			for _, way := range ways {
				took[way.name] = append(took[way.name], get(way.name))
			}
		}
	}
	q := map[string][2]float64{}
	for _, way := range ways {
		q[way.name] = [2]float64{quantile(took[way.name], 0.5), quantile(took[way.name], 0.99)}
		b.ReportMetric(q[way.name][0], way.name+"-p50-µs")
		b.ReportMetric(q[way.name][1], way.name+"-p99-µs")
	}
	b.ReportMetric(q["engine"][0]-q["bare"][0], "beyond-bare-p50-µs")
	b.ReportMetric(q["engine"][0]-q["direct"][0], "added-p50-µs")
	b.ReportMetric(q["engine"][1]-q["direct"][1], "added-p99-µs")
}
