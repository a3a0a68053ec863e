//go:build soak

package crash

// killCount is how often `make soak` kills.
const killCount = 3000
