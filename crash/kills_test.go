//go:build !soak

package crash

// killCount is how often `make test` kills.
const killCount = 100
