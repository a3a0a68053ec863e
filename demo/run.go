package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/servers"
)

// process is the gateway as it runs beside us.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(15 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// startGateway runs `curfew up` and waits until it says where it is.
func (s *story) startGateway() (*process, error) {
	cmd := exec.Command(s.program, "up", "--data", s.file("curfew-data"), "--node", s.file("curfew-node"), "--http", "127.0.0.1:0",
		"--postgres", "127.0.0.1:0", "--ssh", "127.0.0.1:0", "--mysql", "127.0.0.1:0", "--apps", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--deployment", deployment, "--admin", "ben@shop.example", "--notices", "15s,5s",
		"--addresses", s.file("addresses"), "--quiet")
	cmd.Env = append(os.Environ(), "CURFEW_LOGIN_SHOP="+s.pg.URL(servers.Admin, servers.AdminPassword, "shop"))
	cmd.Env = append(cmd.Env, s.stockLogins()...)
	if s.office != nil {
		cmd.Env = append(cmd.Env, "CURFEW_LOGIN_ADMIN=http://:"+officeToken+"@"+s.office.address())
	}
	cmd.Stderr = os.Stderr
	if log, err := os.Create(s.file("gateway.log")); err == nil {
		cmd.Stderr = log
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to pass on
	if err := cmd.Start(); err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "start the gateway")
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() { _ = cmd.Wait(); close(p.done) }()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(s.file("addresses"))
		if err != nil {
			continue
		}
		said := map[string]string{}
		for _, line := range strings.Split(string(text), "\n") {
			key, value, _ := strings.Cut(line, " ")
			said[key] = value
		}
		s.api, s.genesis = said["api"], said["genesis"]
		_, err = s.as("ben", passphrase("ben")+"\n", "login", said["link"], "--passphrase-stdin")
		return p, err
	}
	log, _ := os.ReadFile(s.file("gateway.log"))
	p.stop()
	return nil, curfew.Errorf(curfew.Unavailable, "the gateway did not start: %s", log)
}

// answer is what a command said and how it ended.
type answer struct {
	text string
	code int
}

// as runs a command of ours as somebody, without showing it.
func (s *story) as(who, stdin string, args ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.Env = append(os.Environ(), "CURFEW_CONFIG_DIR="+s.file(who), "NO_COLOR=1", "PSQL_HISTORY=/dev/null", "PSQLRC=/dev/null", "PAGER=cat")
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	a := answer{text: out.String()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		a.code = exit.ExitCode()
		return a, nil
	}
	return a, err
}

// show runs a command as somebody, shows it and what it said, and checks its end.
func (s *story) show(who, stdin string, want int, args ...string) (answer, error) {
	fmt.Fprintf(s.out, "   %s$ curfew %s\n", who, words(args))
	a, err := s.as(who, stdin, args...)
	s.print(a.text)
	if err != nil {
		return a, err
	}
	if a.code != want {
		return a, wrong("it ended with status %d, not %d", a.code, want)
	}
	return a, nil
}

// words writes arguments as one would type them.
func words(args []string) string {
	var out []string
	for _, a := range args {
		if strings.ContainsAny(a, " ;'*()") {
			a = `"` + a + `"`
		}
		out = append(out, a)
	}
	return strings.Join(out, " ")
}

const mostLines = 24

func (s *story) print(text string) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		if i == mostLines {
			fmt.Fprintf(s.out, "   │ … %d more lines\n", len(lines)-i)
			return
		}
		fmt.Fprintf(s.out, "   │ %s\n", strings.TrimRight(line, " "))
	}
}

// target asks the target itself, as its superuser.
func (s *story) target(ctx context.Context, sql, want string) error {
	fmt.Fprintf(s.out, "   shop-db# %s\n", sql)
	got, err := s.pg.One(ctx, "shop", sql)
	if err != nil {
		return err
	}
	s.print(got)
	if got != want {
		return wrong("the target says %s, not %s", got, want)
	}
	return nil
}

func has(a answer, texts ...string) error {
	for _, t := range texts {
		if !strings.Contains(a.text, t) {
			return wrong("it does not say %q", t)
		}
	}
	return nil
}
