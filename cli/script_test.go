package cli

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"curfew": func() { os.Exit(Main(Parts{Version: "1.2.3"}, os.Args[1:])) },
	})
}

// TestScripts runs the program as a process: files, standard input, exit codes.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			f := newFake(e.T().(testing.TB))
			f.on("GET /sessions", gives(list(aSession())))
			e.Setenv("GATEWAY", f.URL)
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
	})
}
