//go:build soak

package judge

// How many texts the generators make.
const (
	bypasses = 1000000
	harmless = 1000000
	compared = 200000
)
