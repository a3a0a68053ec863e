package identity

import (
	"crypto/rand"
	"encoding/base64"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/seal"
)

// Guesses: who has filled a bucket with wrong passphrases waits wrongWait. Nobody is
// locked out for ever by somebody else's guesses: a browser that has signed in before
// has a bucket of its own, and strangers fill one by where they come from, before they
// fill the person's (docs/decisions/0040-browser-sessions.md).
const (
	wrongMost     = 5  // of one person, from one place
	wrongStranger = 20 // of one person, from places that have never signed in
	wrongAddress  = 20 // from one address, whoever is guessed at
	wrongTouches  = 60 // from one address: nobody guesses a signature, and checking one takes time
	wrongWait     = 15 * time.Minute
	mostBuckets   = 10_000
)

// bucket counts guesses of one kind.
type bucket struct {
	name string
	most int
}

type guessed struct {
	wrong int
	until time.Time
}

type guessing struct {
	mu     sync.Mutex
	counts map[string]guessed // guarded by mu
}

// take counts a guess before it is made, so that many at once are as few as one after
// the other; it refuses where a bucket is full.
func (g *guessing) take(in []bucket) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for _, b := range in {
		if c := g.counts[b.name]; c.wrong >= b.most && now.Before(c.until) {
			return curfew.Errorf(curfew.Limited, "too many wrong passphrases; wait until %s", c.until.Format("15:04 MST")).WithRule("passphrase.guesses")
		}
	}
	if len(g.counts) > mostBuckets {
		g.makeRoom(now)
	}
	for _, b := range in {
		c := g.counts[b.name]
		if now.After(c.until) {
			c.wrong = 0
		}
		c.wrong++
		c.until = now.Add(wrongWait)
		g.counts[b.name] = c
	}
	return nil
}

// makeRoom forgets what is over, and otherwise the emptiest: a full bucket stays, so
// that guessing at many does not free one. The caller holds mu.
func (g *guessing) makeRoom(now time.Time) {
	for name, c := range g.counts {
		if now.After(c.until) {
			delete(g.counts, name)
		}
	}
	for name, c := range g.counts {
		if len(g.counts) <= mostBuckets {
			return
		}
		if c.wrong < wrongMost {
			delete(g.counts, name)
		}
	}
}

// right takes a guess back that was none. The first bucket is emptied.
func (g *guessing) right(in []bucket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.counts, in[0].name)
	for _, b := range in[1:] {
		if c := g.counts[b.name]; c.wrong > 0 {
			c.wrong--
			g.counts[b.name] = c
		}
	}
}

// buckets are where the guesses of a sign-in count. The first is emptied by success.
func (s *Service) buckets(who curfew.Principal, from From) []bucket {
	if s.familiar(who, from.Known) {
		return []bucket{{"familiar " + string(who) + " " + from.Known, wrongMost}}
	}
	place := placeOf(from.Address)
	out := []bucket{{"sign-in " + string(who) + " from " + place, wrongMost}}
	if place == "" {
		return out
	}
	return append(out, bucket{"strangers " + string(who), wrongStranger}, bucket{"address " + place, wrongAddress})
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// placeOf is what guesses from an address are counted by: all of IPv4's, and the
// network of IPv6's, of which one subscriber has 2^64.
func placeOf(address string) string {
	host := hostOf(address)
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	p, _ := ip.Prefix(64) // 64 bits are no more than it has
	return p.String()
}

// Familiar is what a browser is given that somebody has signed in with: it proves
// nothing but that, and its guesses are counted apart from strangers'.
func (s *Service) Familiar(who curfew.Principal) string {
	var nonce [12]byte
	_, _ = rand.Read(nonce[:]) // never fails (crypto/rand)
	text := base64.RawURLEncoding.EncodeToString(nonce[:])
	return text + "." + s.familiarMAC(who, text)
}

func (s *Service) familiarMAC(who curfew.Principal, nonce string) string {
	m := s.parts.Ring.MAC([]byte("familiar browser"), []byte(who), []byte(nonce))
	return base64.RawURLEncoding.EncodeToString(m[:])
}

func (s *Service) familiar(who curfew.Principal, text string) bool {
	nonce, mac, ok := strings.Cut(text, ".")
	return ok && len(text) < 100 && seal.Equal([]byte(mac), []byte(s.familiarMAC(who, nonce)))
}
