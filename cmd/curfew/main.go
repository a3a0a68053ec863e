// Command curfew is the whole product in one binary: the gateway, the command
// line, the demo. This package wires and does nothing else.
package main

import (
	"os"
	"runtime/debug"

	"github.com/curfewhq/curfew/cli"
	"github.com/curfewhq/curfew/demo"
)

func main() {
	os.Exit(cli.Main(cli.Parts{Up: up, Demo: demo.Run, Restore: restore, Verify: verify, Version: version()}, os.Args[1:]))
}

// version is what the module was built as.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
