// Package postgres speaks PostgreSQL's protocol 3 between a client and a target,
// makes a login role for each lease, and removes it. It never decides who may
// connect, never dials by itself, and forwards no message it does not know.
package postgres
