// Package reach is the only dialer of resources. It dials for a Permit or an
// Errand and for nothing else, resolves a name once, follows nothing, and
// refuses addresses that are nobody's resource: link-local ones, metadata
// services, and Curfew's own listeners.
package reach

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// dialBound is how long a target has to answer.
const dialBound = 5 * time.Second

// Dialer reaches resources. The zero value is ready.
type Dialer struct {
	mu  sync.Mutex
	own []netip.AddrPort // guarded by mu; Curfew's own listeners
}

// Own names a listener of Curfew's, which is never dialled.
func (d *Dialer) Own(a net.Addr) {
	if p, err := netip.ParseAddrPort(a.String()); err == nil {
		d.mu.Lock()
		d.own = append(d.own, p)
		d.mu.Unlock()
	}
}

// Session dials the permit's resource.
func (d *Dialer) Session(ctx context.Context, p *access.Permit) (net.Conn, error) {
	if !p.Valid() {
		return nil, curfew.Errorf(curfew.Denied, "nothing is dialled without a live permit")
	}
	return d.dial(ctx, p.Resource())
}

// Errand dials the errand's resource.
func (d *Dialer) Errand(ctx context.Context, e access.Errand) (net.Conn, error) {
	if !e.Valid() {
		return nil, curfew.Errorf(curfew.Denied, "nothing is dialled without an errand")
	}
	return d.dial(ctx, e.Resource())
}

func (d *Dialer) dial(ctx context.Context, res curfew.Resource) (net.Conn, error) {
	host, text, err := net.SplitHostPort(res.Address)
	if err != nil {
		return nil, curfew.Errorf(curfew.Invalid, "the address of %s is not host:port", res.Name)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return nil, curfew.Errorf(curfew.Invalid, "the address of %s has no port", res.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, dialBound)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, down(res, err)
	}
	var last error
	for _, a := range addrs {
		to := netip.AddrPortFrom(a.Unmap(), uint16(port))
		if err := d.allowed(res, to); err != nil {
			return nil, err
		}
		conn, err := (&net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}).DialContext(ctx, "tcp", to.String())
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, down(res, last)
}

func down(res curfew.Resource, err error) error {
	return curfew.Wrap(curfew.Unavailable, err, "%s doesn't answer at %s", res.Name, res.Address).WithRule("resource.down").WithFix("not a permission problem; check the target")
}

// allowed refuses addresses that no resource has.
func (d *Dialer) allowed(res curfew.Resource, to netip.AddrPort) error {
	a := to.Addr()
	metadata := a == netip.MustParseAddr("fd00:ec2::254") || a == netip.MustParseAddr("100.100.100.200")
	if a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() || metadata {
		return curfew.Errorf(curfew.Denied, "%s resolves to %s, which is never dialled", res.Name, a).WithRule("resource.address")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, own := range d.own {
		if own.Port() == to.Port() && (own.Addr().Unmap() == a || own.Addr().IsUnspecified() && (a.IsLoopback() || isLocal(a))) {
			return curfew.Errorf(curfew.Denied, "%s resolves to the gateway itself", res.Name).WithRule("resource.address")
		}
	}
	return nil
}

// isLocal reports whether this machine has the address.
func isLocal(a netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true // unknown means no
	}
	for _, x := range addrs {
		if p, err := netip.ParsePrefix(x.String()); err == nil && p.Addr().Unmap() == a {
			return true
		}
	}
	return false
}
