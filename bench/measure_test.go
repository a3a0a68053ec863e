package bench

import (
	"os"
	"slices"
)

// full says that a run may take minutes: BENCH_FULL=1. Otherwise everything is
// small enough to be run briefly; each benchmark prints its size.
func full() bool { return os.Getenv("BENCH_FULL") == "1" }

// at is a quantile; the caller's slice is not changed.
func at(v []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[min(int(q*float64(len(s))), len(s)-1)]
}

func median(v []float64) float64 { return at(v, 0.5) }
