package http

import (
	"net"
	"net/netip"
	"sync"
)

// unprovedEach is how many connections of one address may be open that have carried
// nothing of anybody yet. One more, and the oldest of that address is closed: who comes
// is always let in, and pushes out nobody but its like.
const unprovedEach = 100

// unproved are the connections that have carried nothing of anybody yet, oldest first.
type unproved struct {
	mu sync.Mutex
	by map[string][]*caller // guarded by mu
}

// placeOf is what connections are counted by: an address, or IPv6's network of one subscriber.
func placeOf(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return a.String()
	}
	ip, ok := netip.AddrFromSlice(t.IP)
	if !ok {
		return t.IP.String()
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	p, _ := ip.Prefix(64) // it has as many bits
	return p.String()
}

func (s *unproved) add(c *caller) {
	place := placeOf(c.RemoteAddr())
	s.mu.Lock()
	if s.by == nil {
		s.by = map[string][]*caller{}
	}
	all := append(s.by[place], c)
	var oldest *caller
	if len(all) > unprovedEach {
		oldest, all = all[0], all[1:]
	}
	s.by[place] = all
	s.mu.Unlock()
	if oldest != nil {
		reset(oldest) // it takes mu, by way of remove
	}
}

// remove forgets a connection: it is closed, or no stranger's any more.
func (s *unproved) remove(c *caller) {
	place := placeOf(c.RemoteAddr())
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.by[place]
	for i, x := range all {
		if x == c {
			all = append(all[:i:i], all[i+1:]...)
			break
		}
	}
	if len(all) == 0 {
		delete(s.by, place)
		return
	}
	s.by[place] = all
}
