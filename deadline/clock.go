package deadline

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Clock is the pair of clocks a scheduler looks at. Tests give their own.
type Clock struct {
	// Wall is the time of day; it may be set, forwards and back.
	Wall func() time.Time
	// Boot is the time that has passed since some fixed moment; it never goes
	// back and counts the time the machine was suspended.
	Boot func() time.Duration
}

// System is the machine's clock. Where CLOCK_BOOTTIME cannot be read, or lags (in
// a synctest bubble it stands nearly still), Go's monotonic clock counts.
func System() Clock {
	start, boot0 := time.Now(), bootTime()
	return Clock{
		Wall: time.Now,
		Boot: func() time.Duration { return max(time.Since(start), bootTime()-boot0) },
	}
}

// bootTime reads CLOCK_BOOTTIME (clock_gettime(2)); zero if there is none.
func bootTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// nanos is t as nanoseconds since 1970, held within what an int64 says: what lies
// before 1970 (the zero time too) is 0, what lies beyond 2262 is the end of it.
func nanos(t time.Time) int64 {
	const last = math.MaxInt64 / int64(time.Second)
	switch sec := t.Unix(); {
	case sec < 0:
		return 0
	case sec >= last:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// later is the boot clock's reading when at will have come, if the wall clock is
// not set meanwhile.
func later(boot time.Duration, at, wall int64) int64 {
	left := at - wall // both are at least 0, so this does not overflow
	if left <= 0 {
		return int64(boot)
	}
	if left > math.MaxInt64-int64(boot) {
		return math.MaxInt64
	}
	return int64(boot) + left
}
