// Package schedule knows windows: weekdays, zones, overnight, freezes and
// daylight saving. It is pure; in doubt it takes the shorter reading.
package schedule
