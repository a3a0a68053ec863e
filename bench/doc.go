// Package bench measures what GOALS.md promises, each figure beside a reference
// in the same run, as a ratio. Nothing here is a test: numbers are printed,
// never compared with a limit.
package bench
