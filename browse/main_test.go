package browse

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/curfewhq/curfew/servers"
)

// Built or found once.
//
//nolint:gochecknoglobals // set by TestMain
var program, modules string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("browse: none of these tests run with -short; they need what scripts/need-web installs")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if modules, err = filepath.Abs("../bin/browse"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, tool := range []string{"chromium", "nginx", "node", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			fmt.Fprintf(os.Stderr, "browse: no %s: run scripts/need-web\n", tool)
			return 1
		}
	}
	if _, err := os.Stat(filepath.Join(modules, "node_modules", "playwright-core")); err != nil {
		fmt.Fprintln(os.Stderr, "browse: no playwright-core: run scripts/need-web")
		return 1
	}
	folder, err := os.MkdirTemp("", "curfew-browse-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if program, err = servers.BuildProgram(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}
