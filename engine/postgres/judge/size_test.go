//go:build !soak

package judge

// How many texts the generators make.
const (
	bypasses = 2500
	harmless = 1500
	compared = 1000
)
