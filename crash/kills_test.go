//go:build !soak

package crash

import "time"

// killCount is how often `make test` kills.
const killCount = 100

// trafficFor is how long `make test` has pgbench run with a revoke a second.
const trafficFor = 15 * time.Second

// consoleFor is how long `make test` keeps the console open before a steady feed.
const consoleFor = 5 * time.Second
