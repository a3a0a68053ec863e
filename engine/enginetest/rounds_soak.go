//go:build soak

package enginetest

// How often `make soak` ends grants in the middle of work.
const (
	shutRounds = 500
	// GateSteps is how many messages meet a gate.
	GateSteps = 10_000_000
)
