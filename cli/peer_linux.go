package cli

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// ownPeer refuses a connection of this machine that another account has opened: a
// port is there for all of them. Root may anything anyway.
func ownPeer(conn net.Conn) error {
	from, err1 := netip.ParseAddrPort(conn.RemoteAddr().String())
	to, err2 := netip.ParseAddrPort(conn.LocalAddr().String())
	if err1 != nil || err2 != nil || !from.Addr().Is4() {
		return fmt.Errorf("nobody knows whose it is")
	}
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return fmt.Errorf("nobody knows whose it is: %w", err)
	}
	defer func() { _ = f.Close() }()
	local, remote := procAddress(from), procAddress(to)
	for in := bufio.NewScanner(f); in.Scan(); {
		fields := strings.Fields(in.Text())
		if len(fields) < 8 || fields[1] != local || fields[2] != remote {
			continue
		}
		uid, err := strconv.Atoi(fields[7])
		if err == nil && (uid == os.Getuid() || uid == 0) {
			return nil
		}
		return fmt.Errorf("it is the account's with the number %d", uid)
	}
	return fmt.Errorf("nobody knows whose it is")
}

// procAddress is an address as /proc/net/tcp writes it: the machine's byte order, in
// hexadecimal, and the port.
func procAddress(a netip.AddrPort) string {
	b := a.Addr().As4()
	return fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(b[:]), a.Port())
}
