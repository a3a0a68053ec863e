package bench

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine/enginetest"
	"github.com/curfewhq/curfew/identity"
)

// startNginx is the distribution's nginx as a bare reverse proxy, one worker, with
// connections to the application that stay; "" where there is none, which is said.
func startNginx(b *testing.B, app string) (address string) {
	b.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		b.Log("no nginx beside it: none is installed (scripts/need-web)")
		return ""
	}
	folder, err := os.MkdirTemp("", "curfew-nginx-")
	must(b, err)
	b.Cleanup(func() { _ = os.RemoveAll(folder) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	address = ln.Addr().String()
	must(b, ln.Close())
	conf := fmt.Sprintf(`worker_processes 1;
daemon off;
pid %[1]s/pid;
error_log stderr error;
events { worker_connections 256; }
http {
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	access_log off;
	keepalive_requests 1000000;
	upstream app { server %[3]s; keepalive 8; keepalive_requests 1000000; }
	server { listen %[2]s; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } }
}
`, folder, address, app)
	must(b, os.WriteFile(filepath.Join(folder, "nginx.conf"), []byte(conf), 0o644))
	cmd := exec.Command(path, "-e", "stderr", "-p", folder, "-c", filepath.Join(folder, "nginx.conf"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() == 0 { // as nobody
		must(b, os.Chown(folder, 65534, 65534))
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	must(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return address
		}
	}
	b.Fatal("nginx does not start")
	return ""
}

// visitCookie is what a browser of a grant's holder shows at the application.
func visitCookie(b *testing.B, w *enginetest.World, g enginetest.Grant, app curfew.ResourceName) *http.Cookie {
	b.Helper()
	ctx := context.Background()
	session, _, err := w.Identity.IssueBrowser(ctx, g.Principal, identity.From{})
	must(b, err)
	in, err := w.Identity.Browser(ctx, session)
	must(b, err)
	const keep = "what the browser keeps"
	sum := sha256.Sum256([]byte(keep))
	code, err := w.Identity.VisitCode(in, app, base64.RawURLEncoding.EncodeToString(sum[:]))
	must(b, err)
	value, _, err := w.Identity.Enter(ctx, app, code, keep)
	must(b, err)
	return &http.Cookie{Name: "__Host-curfew-app", Value: value}
}

// hostPort is an origin's host, with its port.
func hostPort(url string) string { return strings.TrimPrefix(url, "http://") }
