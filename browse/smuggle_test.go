package browse

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// What two servers have read differently elsewhere, sent to the gateway with nginx behind
// it: nothing that was hidden in a request is asked of the application, and what is asked
// is what was judged. {auth} stands for a credential that may look everywhere but
// under /admin, which /smuggled stands for.
func TestNothingIsSmuggledPastTheGateway(t *testing.T) {
	g := ready(t)
	auth := "Host: shop.localhost\r\nAuthorization: " + g.header(g.given("shop/clerk", "shop").ID) + "\r\n"
	corpus, err := os.ReadFile("testdata/smuggling.txt")
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, entry := range strings.Split(string(corpus), "\n== ")[1:] {
		name, text, _ := strings.Cut(entry, "\n")
		tried++
		text = strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "")
		text = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t", `\0`, "\x00", `\v`, "\v", `\x85`, "\x85", `{auth}`, auth, "/smuggled", "/admin/xy").Replace(text)
		conn, err := net.Dial("tcp", g.said["apps"])
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
		_, _ = io.WriteString(conn, text)
		_, _ = io.WriteString(conn, "GET /after HTTP/1.1\r\n"+auth+"Connection: close\r\n\r\n")
		answers, _ := io.ReadAll(conn) // some are never answered
		_ = conn.Close()
		if strings.Contains(string(answers), "the administrators only") {
			t.Errorf("%s: %s", name, answers)
		}
		for _, line := range g.shop.asked() {
			if target, _, _ := strings.Cut(line, "|"); strings.Contains(line, "admin") || target != "" && target != "GET /after" && target != "POST /orders/7" && target != "GET /look" {
				t.Errorf("%s: nginx was asked %s", name, line)
			}
		}
		if t.Failed() {
			return
		}
	}
	if tried < 40 {
		t.Errorf("%d tries", tried)
	}
	if code := strings.Count(strings.Join(g.shop.asked(), "\n"), "GET /after"); code < 5 {
		t.Errorf("after %d tries the application was asked %d times: the tries break something else", tried, code)
	}
}
