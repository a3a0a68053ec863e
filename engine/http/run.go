package http

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/session"
)

// A run without a request for so long is over.
const runIdle = time.Minute

// accountBound is how long the gateway's own login may take to be opened.
const accountBound = 10 * time.Second

// holder is a credential as it is used from one address. From another it is another
// client's, with a session of its own, which says so; one for one use has none left.
type holder struct {
	credential curfew.CredentialID
	address    string
	grant      curfew.GrantID // of a browser's, which is of none by itself
}

// slot is what is known of a credential in use: one run at a time.
type slot struct {
	users int // guarded by Engine.mu; requests that hold the slot, and the run

	mu  sync.Mutex
	run *run // guarded by mu
}

// run is a session: the requests with one credential.
type run struct {
	engine    *Engine
	id        curfew.CredentialID
	s         *session.Session
	may       permission
	set       settings
	proof     [sha256.Size]byte // of the secret that opened it
	clients   *bundle
	targets   *bundle
	proxy     *httputil.ReverseProxy
	inject    func(http.Header)
	introduce func(context.Context) (string, error) // nil: nobody is introduced
	ref       atomic.Uint64

	mu      sync.Mutex
	active  int             // guarded by mu
	over    bool            // guarded by mu; nobody joins any more
	idle    *time.Timer     // guarded by mu
	streams map[stream]bool // guarded by mu; what can be told that it is over
	counted time.Time       // guarded by mu; when its credential was last worth something

	saying sync.Mutex // held while a token is made, which may read from a disk
	token  string     // guarded by saying; who is asking, signed
	renew  time.Time  // guarded by saying; when it is made anew
}

// stream is an answer that goes on, and whose client can be told why it ends.
type stream interface {
	// farewell says it at a boundary, by the deadline or not at all.
	farewell(words notice, by time.Time)
}

// join returns the run of a credential, opened if there is none, for one request.
func (e *Engine) join(ctx context.Context, gate engine.Gatekeeper, claim access.Claim, secret string) (*run, error) {
	by := holderOf(claim)
	e.mu.Lock()
	at := e.slots[by]
	if at == nil {
		at = &slot{}
		e.slots[by] = at
	}
	at.users++
	e.mu.Unlock()
	r, err := at.join(ctx, e, gate, claim, secret)
	e.drop(by, at)
	if err != nil {
		return nil, err
	}
	if err := r.counts(ctx, gate); err != nil {
		r.leave()
		return nil, err
	}
	return r, nil
}

func holderOf(claim access.Claim) holder {
	address, _, _ := net.SplitHostPort(claim.Client)
	return holder{claim.Credential, address, claim.Grant}
}

// countsEvery is how often it is asked whether a credential that is shown with each
// request is still worth something.
const countsEvery = 500 * time.Millisecond

func (r *run) counts(ctx context.Context, gate engine.Gatekeeper) error {
	by, ok := gate.(engine.Recaller)
	now := time.Now()
	r.mu.Lock()
	ok = ok && now.Sub(r.counted) >= countsEvery
	r.mu.Unlock()
	if !ok {
		return nil
	}
	if err := by.Counts(ctx, r.id); err != nil {
		return err
	}
	r.mu.Lock()
	r.counted = now
	r.mu.Unlock()
	return nil
}

// drop lets go of a slot; the last one takes it away.
func (e *Engine) drop(by holder, at *slot) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if at.users--; at.users == 0 && e.slots[by] == at {
		delete(e.slots, by)
	}
}

func strangers() error {
	return curfew.Errorf(curfew.NotSignedIn, "these credentials are not valid").WithRule("credential").WithFix("get new ones: curfew env RESOURCE")
}

func (at *slot) join(ctx context.Context, e *Engine, gate engine.Gatekeeper, claim access.Claim, secret string) (*run, error) {
	proof := sha256.Sum256([]byte(secret))
	proved := claim.Grant != "" // a browser's cookie, looked at with each request
	at.mu.Lock()
	defer at.mu.Unlock()
	if r := at.run; r != nil && r.enter() {
		if subtle.ConstantTimeCompare(r.proof[:], proof[:]) == 1 {
			return r, nil
		}
		r.leave()
		return nil, strangers()
	}
	if !proved {
		select {
		case e.proving <- struct{}{}:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		fits := gate.Verifier(ctx, claim.Credential).Fits(secret)
		<-e.proving
		if !fits {
			return nil, strangers()
		}
	}
	s, err := gate.Open(ctx, claim, nil)
	if err != nil {
		return nil, err
	}
	r, err := e.begin(s, gate, claim, proof)
	if err != nil {
		s.Close(curfew.CauseTarget, err.Error())
		return nil, err
	}
	at.run = r
	e.mu.Lock()
	at.users++ // the run's own
	e.mu.Unlock()
	go func() {
		<-s.Finished()
		r.mu.Lock()
		r.over = true
		r.mu.Unlock()
		e.drop(holderOf(claim), at)
	}()
	if proved {
		e.endings.begun(claim.Credential, s.Permit())
		go r.stands(gate)
	}
	return r, nil
}

// begin makes a run of a session, with one request in it.
func (e *Engine) begin(s *session.Session, gate engine.Gatekeeper, claim access.Claim, proof [sha256.Size]byte) (*run, error) {
	p := s.Permit()
	r := &run{engine: e, id: claim.Credential, s: s, proof: proof, clients: newBundle(), targets: newBundle(), active: 1, counted: time.Now(), streams: map[stream]bool{}}
	var err error
	if r.may, err = parse(p.Permission()); err != nil {
		return nil, err
	}
	if r.set, err = settingsOf(p.Resource()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(s.Context(), accountBound)
	defer cancel()
	account, err := s.Account(ctx)
	if err != nil {
		return nil, err
	}
	account.Shut()
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if host, _, err := net.SplitHostPort(p.Resource().Address); err == nil {
		trust.ServerName = host
	}
	if pem := account.Options["sslrootcert"]; pem != "" {
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM([]byte(pem)) {
			return nil, curfew.Errorf(curfew.Invalid, "the certificates of %s cannot be read", p.Resource().Name)
		}
	}
	r.inject = injector(account)
	if by, ok := gate.(engine.Introducer); ok {
		r.introduce = func(ctx context.Context) (string, error) { return by.Introduce(ctx, p) }
	}
	r.proxy = r.newProxy(trust)
	if err := s.Attach(session.Legs{Client: r.clients, Target: r.targets, Farewell: r.farewell}); err != nil {
		return nil, err
	}
	return r, nil
}

// injector adds the gateway's own credential to a request.
func injector(a session.Account) func(http.Header) {
	switch {
	case a.User == "" && a.Password == "":
		return nil
	case a.Options["as"] == "header":
		return func(h http.Header) { h.Set(a.User, a.Password) }
	case a.User == "":
		return func(h http.Header) { h.Set("Authorization", "Bearer "+a.Password) }
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(a.User+":"+a.Password))
	return func(h http.Header) { h.Set("Authorization", basic) }
}

// tokenEvery is how old a token about who is asking may be when it is sent.
const tokenEvery = 20 * time.Second

// introduction says who is asking, in a way the application can check; "" if it is not said.
func (r *run) introduction(ctx context.Context) (string, error) {
	if r.introduce == nil {
		return "", nil
	}
	r.saying.Lock()
	defer r.saying.Unlock()
	if r.token != "" && time.Now().Before(r.renew) && r.renew.Before(r.s.Permit().End()) {
		return r.token, nil
	}
	token, err := r.introduce(ctx)
	if err == nil {
		r.token, r.renew = token, time.Now().Add(tokenEvery)
	}
	return token, err
}

// enter counts one more request in; false: the run is over.
func (r *run) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || r.s.Permit().Over() {
		return false
	}
	if r.idle != nil {
		r.idle.Stop()
		r.idle = nil
	}
	r.active++
	return true
}

// leave counts it out. A run that nobody uses for a while is over.
func (r *run) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.active--; r.active == 0 && !r.over {
		r.idle = time.AfterFunc(r.engine.idle, r.expire)
	}
}

// expire ends a run that is idle.
func (r *run) expire() {
	r.mu.Lock()
	busy := r.active > 0
	r.over = r.over || !busy
	r.mu.Unlock()
	if busy {
		return
	}
	r.proxy.Transport.(*http.Transport).CloseIdleConnections()
	r.s.Close(curfew.CauseClosed, "")
}

// farewell tells what goes on that it is over; whatever else is under way breaks off.
func (r *run) farewell(e access.Ended, by time.Time) {
	words := goodbye(r.s.Permit(), e)
	r.mu.Lock()
	r.over = true
	var all []stream
	for x := range r.streams {
		all = append(all, x)
	}
	r.mu.Unlock()
	for _, x := range all {
		x.farewell(words, by)
	}
}

func (r *run) holds(x stream) (done func()) {
	r.mu.Lock()
	r.streams[x] = true
	r.mu.Unlock()
	return func() {
		r.mu.Lock()
		delete(r.streams, x)
		r.mu.Unlock()
	}
}
