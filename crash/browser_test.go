package crash

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needBrowser passes over a test that needs what scripts/need-web installs, and is where
// that is. CURFEW_BROWSER says that it is there; make test names what did not run.
func needBrowser(t *testing.T) string {
	t.Helper()
	modules := os.Getenv("CURFEW_BROWSER")
	if modules == "" {
		t.Skip("CURFEW_BROWSER does not say where the browser's driver is: make test does, and names what did not run")
	}
	return modules
}

// together has tests of the console wait for their browsers side by side, unless one of them is
// there for its figures.
func together(t *testing.T) {
	t.Helper()
	for _, name := range []string{"CURFEW_FIGURES", "CURFEW_WATCH_FOR", "CURFEW_CONSOLE_FOR", "CURFEW_SHOTS"} {
		if os.Getenv(name) != "" {
			return
		}
	}
	t.Parallel()
}

// browse runs a script of testdata/console before the console of g, and fails with each
// fault that it finds. What it asks of this process is done by do, which answers in a line.
func browse(t *testing.T, g *gateway, script string, given map[string]any, do func(what string) string) {
	t.Helper()
	browseFor(t, g, 5*time.Minute, script, given, do)
}

// done is for a script that needs no other answer.
func done(do func(what string)) func(string) string {
	return func(what string) string { do(what); return "done" }
}

// browseFor is browse for a script that may take so long.
func browseFor(t *testing.T, g *gateway, most time.Duration, script string, given map[string]any, do func(what string) string) {
	t.Helper()
	modules := needBrowser(t)
	all := map[string]any{"base": g.said["console"], "chromium": chromium(t), "modules": modules, "shots": shots(t)}
	maps.Copy(all, given)
	argument, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", filepath.Join("testdata", "console", script), string(argument))
	var cried bytes.Buffer // read when the script is gone
	cmd.Stderr = &cried
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, said := io.Pipe()
	cmd.Stdout = said
	c := launch(t, cmd)
	go func() { <-c.gone; _ = said.Close() }()
	late := time.AfterFunc(most, func() { c.end(syscall.SIGKILL) })
	defer late.Stop()
	well := false
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		switch what, rest, _ := strings.Cut(line, " "); what {
		case "DO":
			_, _ = io.WriteString(in, do(rest)+"\n")
		case "FAULT":
			t.Error(rest)
		case "WELL":
			well = true
		default:
			t.Log(line)
		}
	}
	<-c.gone
	if !well {
		t.Errorf("the browser did not come to the end\nthe gateway said: %s\nthe script said: %s", tail(g.log()), tail(cried.String()))
	}
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("there is no Chromium: scripts/need-web installs it")
	return ""
}

// shots is where the pictures go: a folder that is asked for, or one that is thrown away.
func shots(t *testing.T) string {
	t.Helper()
	if folder := os.Getenv("CURFEW_SHOTS"); folder != "" {
		return folder
	}
	return filepath.Join(t.TempDir(), "shots")
}
