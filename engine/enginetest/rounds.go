//go:build !soak

package enginetest

// How often `make test` ends grants in the middle of work.
const (
	shutRounds = 15
	// GateSteps is how many messages meet a gate.
	GateSteps = 1_000_000
)
