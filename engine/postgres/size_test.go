//go:build !soak

package postgres

// wholeBytes is how much `make test` says in one session.
const wholeBytes = 48 << 20
