package bench

import (
	"os"
	"testing"
)

// childEnv makes the test binary be a helper process: memory and descriptors of
// clients and of the reference proxy are then apart from the gateway's.
const childEnv = "CURFEW_BENCH_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "clients":
		os.Exit(beClients(os.Stdin, os.Stdout))
	case "target":
		os.Exit(beTarget(os.Stdin, os.Stdout))
	case "proxy":
		os.Exit(beProxy(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}
