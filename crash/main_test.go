package crash

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/curfewhq/curfew/servers"
)

// program is the binary under test, built once.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("crash: none of these tests run with -short; they kill a real gateway before a real PostgreSQL")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	folder, err := os.MkdirTemp("", "curfew-crash-")
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
