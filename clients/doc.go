// Package clients drives a whole gateway with clients that others made, unmodified:
// command line tools, drivers and their pools. It holds tests only.
package clients
