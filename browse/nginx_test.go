package browse

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nginx is the distribution's, as an application, in a folder of its own and with no rights.
type nginx struct{ address, folder string }

const nginxConf = `worker_processes 1;
daemon off;
pid %[1]s/pid;
error_log stderr error;
events { worker_connections 256; }
http {
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
	log_format asked '$request_method $request_uri|$http_cookie|$http_authorization|$http_curfew_principal|$http_host|$request_length';
	access_log %[1]s/asked.log asked;
	default_type text/html;
	server {
		listen %[2]s;
		location / { return 200 '<!doctype html><title>shop</title><h1>The shop says $request_uri</h1><form method=post action=/orders/7><button id=mark>Mark</button></form>'; }
		location /orders/ { return 200 '<!doctype html><h1>Marked by $request_method</h1>'; }
		location /admin { return 200 'the administrators only'; }
		location /set { add_header Set-Cookie 'mine=1; Path=/'; add_header Set-Cookie '__Host-curfew-app=forged; Path=/; Secure'; return 200 'set'; }
		location /quiet { add_header Referrer-Policy no-referrer; return 200 '<!doctype html><form method=post action=/orders/8><button id=mark>Mark</button></form>'; }
	}
}
`

func startNginx(t *testing.T) *nginx {
	t.Helper()
	folder, err := os.MkdirTemp("", "curfew-nginx-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nginx{address: ln.Addr().String(), folder: folder}
	_ = ln.Close()
	conf := filepath.Join(folder, "nginx.conf")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf(nginxConf, folder, n.address)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-e", "stderr", "-p", folder, "-c", conf)
	if os.Getuid() == 0 { // as nobody
		if err := os.Chown(folder, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	cmd.Stderr = os.Stderr
	launch(t, cmd)
	if !within(10*time.Second, func() bool {
		c, err := net.Dial("tcp", n.address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}) {
		t.Fatal("nginx does not start")
	}
	return n
}

// asked is what the application was asked, one line a request.
func (n *nginx) asked() []string {
	text, _ := os.ReadFile(filepath.Join(n.folder, "asked.log"))
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
