package identity

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// A client without a browser, or without a keyboard that is trusted, is let in from a
// browser by a short code (the shape of RFC 8628). What it gets asks, and uses nothing:
// whoever talks somebody into typing a code gains no access (THREATS 8).
const (
	deviceLife    = 10 * time.Minute
	deviceMost    = 500
	deviceEach    = 10 // from one address
	deviceTries   = 8  // wrong codes of one person in deviceLife
	deviceLetters = "BCDFGHJKLMNPQRSTVWXZ"
)

// Device is a client that waits to be let in.
type Device struct {
	Name    string // what it calls itself
	Address string
	Asked   time.Time
	Until   time.Time
}

type waitingDevice struct {
	Device
	user  string // the code that is typed
	by    curfew.Principal
	let   bool
	token string // for the one answer
	until time.Time
}

// devices are those that wait, by the digest of the secret they ask with.
type devices struct {
	mu      sync.Mutex
	waiting map[string]*waitingDevice // guarded by mu
	tries   map[curfew.Principal][]time.Time
}

// Await begins to wait for somebody to let a client in: secret is what it asks with,
// code what its owner types.
func (s *Service) Await(from From) (secret, code string, d Device, err error) {
	now := time.Now()
	w := &waitingDevice{Device: Device{Name: from.Device, Address: hostOf(from.Address), Asked: now, Until: now.Add(deviceLife)}, user: userCode()}
	q := &s.devices
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting = map[string]*waitingDevice{}
	}
	each := 0
	for name, other := range q.waiting {
		if now.After(other.Until) {
			delete(q.waiting, name)
			continue
		}
		if placeOf(other.Address) == placeOf(w.Address) {
			each++
		}
	}
	if each >= deviceEach || len(q.waiting) >= deviceMost {
		return "", "", d, curfew.Errorf(curfew.Limited, "too many clients wait for a code already").WithRule("device.many").WithFix("wait ten minutes, or sign in with your passphrase: curfew login")
	}
	secret = newSecret()
	q.waiting[string(digest(secret))] = w
	return secret, w.user, w.Device, nil
}

// userCode is eight consonants, easily read aloud, 34 bits: for ten minutes, few tries each.
func userCode() string {
	var b strings.Builder
	for b.Len() < 9 {
		if b.Len() == 4 {
			b.WriteByte('-')
		}
		var r [1]byte
		_, _ = rand.Read(r[:]) // never fails (crypto/rand)
		if int(r[0]) < 256/len(deviceLetters)*len(deviceLetters) {
			b.WriteByte(deviceLetters[int(r[0])%len(deviceLetters)])
		}
	}
	return b.String()
}

func plainCode(code string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune(deviceLetters, c) {
			return c
		}
		return -1
	}, strings.ToUpper(code))
}

// find returns the client that waits with a code. The caller holds mu.
func (q *devices) find(who curfew.Principal, code string, now time.Time) (*waitingDevice, error) {
	var recent []time.Time
	for _, t := range q.tries[who] {
		if now.Sub(t) < deviceLife {
			recent = append(recent, t)
		}
	}
	if len(recent) >= deviceTries {
		return nil, curfew.Errorf(curfew.Limited, "too many codes that nobody waits with; wait ten minutes").WithRule("device.guesses")
	}
	plain := plainCode(code)
	for _, w := range q.waiting {
		if plain != "" && plainCode(w.user) == plain && now.Before(w.Until) && !w.let {
			return w, nil
		}
	}
	if q.tries == nil {
		q.tries = map[curfew.Principal][]time.Time{}
	}
	q.tries[who] = append(recent, now)
	return nil, curfew.Errorf(curfew.NotFound, "no client waits with this code: it is mistyped, used or over").WithRule("device.code").WithFix("look at the code again, or run again: curfew login --device")
}

// Waiting is the client that waits with a code, for somebody to look at.
func (s *Service) Waiting(who curfew.Principal, code string) (Device, error) {
	s.devices.mu.Lock()
	defer s.devices.mu.Unlock()
	w, err := s.devices.find(who, code, time.Now())
	if err != nil {
		return Device{}, err
	}
	return w.Device, nil
}

// LetIn lets the client in that waits with a code, as somebody who asks.
func (s *Service) LetIn(ctx context.Context, who curfew.Principal, code string) (Device, error) {
	s.devices.mu.Lock()
	w, err := s.devices.find(who, code, time.Now())
	if err == nil {
		w.let = true // nobody else lets it in meanwhile
	}
	s.devices.mu.Unlock()
	if err != nil {
		return Device{}, err
	}
	token, until, err := s.IssueAskingToken(ctx, who, From{Address: w.Address, Device: w.Name})
	s.devices.mu.Lock()
	defer s.devices.mu.Unlock()
	if err != nil {
		w.let = false
		return Device{}, err
	}
	w.token, w.until, w.by = token, until, who
	return w.Device, nil
}

// Collect gives a client its token, once; "" while nobody has let it in.
func (s *Service) Collect(secret string) (who curfew.Principal, token string, until time.Time, err error) {
	q := &s.devices
	q.mu.Lock()
	defer q.mu.Unlock()
	key := string(digest(secret))
	w := q.waiting[key]
	if w == nil || time.Now().After(w.Until) {
		return "", "", until, curfew.Errorf(curfew.NotSignedIn, "nobody let this client in in time").WithRule("device.over").WithFix("run again: curfew login --device")
	}
	if w.token == "" {
		return "", "", until, nil
	}
	delete(q.waiting, key)
	return w.by, w.token, w.until, nil
}
