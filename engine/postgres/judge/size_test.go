//go:build !soak

package judge

// How many texts the generators make.
const (
	bypasses  = 20000
	harmless  = 10000
	compared  = 6000
	judgments = 2000
)
