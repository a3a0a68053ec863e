//go:build !linux

package cli

import "net"

// ownPeer cannot be told here.
func ownPeer(net.Conn) error { return nil }
