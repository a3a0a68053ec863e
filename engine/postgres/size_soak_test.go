//go:build soak

package postgres

// wholeBytes is how much `make soak` says in one session.
const wholeBytes = 1 << 30
