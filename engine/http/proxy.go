package http

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"github.com/curfewhq/curfew"
)

// Bounds towards a target.
const (
	targetBound = 30 * time.Second // until it takes a connection
	mostIdle    = 4                // connections of a run that wait for the next request
)

// newProxy is the way to the target. Its connections belong to the run.
func (r *run) newProxy(trust *tls.Config) *httputil.ReverseProxy {
	address := r.s.Permit().Resource().Address
	return &httputil.ReverseProxy{
		Transport: &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return r.dial(ctx) },
			TLSClientConfig:     trust,
			TLSHandshakeTimeout: targetBound, MaxIdleConnsPerHost: mostIdle, IdleConnTimeout: runIdle,
			DisableCompression: true, Proxy: nil, ForceAttemptHTTP2: false,
		},
		FlushInterval: -1, // what the target says goes on as it comes
		ErrorLog:      quiet(),
		Rewrite: func(p *httputil.ProxyRequest) {
			x := p.In.Context().Value(exchangeKey{}).(*exchange) // set in serve
			p.Out.URL = &url.URL{Scheme: r.set.Scheme, Host: address, Path: x.path, RawQuery: p.In.URL.RawQuery}
			p.Out.Host = r.set.Host
			x.outgoing(p.Out.Header)
			if p.Out.Body != nil {
				p.Out.Body = &body{ReadCloser: p.Out.Body, count: &x.sent}
			}
		},
		ModifyResponse: func(res *http.Response) error {
			x := res.Request.Context().Value(exchangeKey{}).(*exchange)
			x.status = res.StatusCode
			if err := x.upgraded(res.StatusCode); err != nil {
				return err
			}
			x.incoming(res.Header)
			return x.show(res)
		},
		ErrorHandler: func(w http.ResponseWriter, req *http.Request, err error) {
			x := req.Context().Value(exchangeKey{}).(*exchange)
			x.failed = err
			if e, over := r.s.Ended(); over {
				endedProblem(w, req, r.s.Permit(), e)
				return
			}
			if e := new(curfew.Error); errors.As(err, &e) {
				problem(w, req, statusOf(err), e)
				return
			}
			res := r.s.Permit().Resource()
			problem(w, req, http.StatusBadGateway, curfew.Errorf(curfew.Unavailable, "%s doesn't answer", res.Name).WithRule("resource.down").
				WithFix("not a permission problem; try again in a moment"))
		},
	}
}
