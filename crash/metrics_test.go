package crash

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestMetricsHaveAnAddressOfTheirOwn(t *testing.T) {
	g := newGateway(t, "meter", "postgres://nobody@127.0.0.1:1/none")
	g.flags = []string{"--metrics", "0.0.0.0:7090"}
	if said := g.refused(); !strings.Contains(said, "loopback") {
		t.Errorf("metrics for everybody: %s", said)
	}
	g.flags[1] = "127.0.0.1:0"
	g.start()
	// It leads nowhere: browsers are sent to the console's own name, which not every resolver knows.
	direct := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	read := func(url string) string {
		t.Helper()
		r, err := direct.Get(url) //nolint:noctx // a test on loopback
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Body.Close() }()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if text := read(g.said["metrics"]); !strings.Contains(text, "curfew_ledger_events ") {
		t.Errorf("the metrics are\n%s", text)
	}
	if text := read("http://" + g.http + "/metrics"); strings.Contains(text, "curfew_") {
		t.Errorf("the API's address has metrics:\n%s", text)
	}
}
