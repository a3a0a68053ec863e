//go:build soak

package crash

import "time"

// killCount is how often `make soak` kills.
const killCount = 3000

// trafficFor is how long `make soak` has pgbench run with a revoke a second.
const trafficFor = 10 * time.Minute

// consoleFor is how long `make soak` keeps the console open before a steady feed.
const consoleFor = time.Hour
