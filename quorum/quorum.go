// Package quorum counts approvals. It is pure, and it never knows who anybody
// is beyond an opaque principal.
package quorum
