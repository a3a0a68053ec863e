// Package crash breaks the real program on real servers and looks at what is left:
// kill -9 at random moments, full disks, disks that fail or stall, frozen
// processes, old copies put back. It holds tests only.
package crash
