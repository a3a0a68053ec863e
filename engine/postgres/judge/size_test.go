//go:build !soak

package judge

// How many texts the generators make.
const (
	bypasses = 4000
	harmless = 2500
	compared = 1500
)
