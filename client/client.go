package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options are what a Client may be told beyond where to go and who calls.
type Options struct {
	// CA is PEM of the only authorities to trust; "" takes the system's.
	CA string
	// PlainHTTP allows http to a server that is not on this machine.
	PlainHTTP bool
	// Timeout bounds one answer, streams excepted; 0: 30 s.
	Timeout time.Duration
	// Agent says which program calls.
	Agent string
}

// Client calls one server for one person. It is safe for concurrent use.
type Client struct {
	server, token, agent string
	timeout              time.Duration
	http                 *http.Client
}

// answerBound is the most that one answer, streams excepted, may hold.
const answerBound = 64 << 20

// New makes a client; it connects to nothing yet. The token may be empty for a
// sign-in.
func New(server, token string, o Options) (*Client, error) {
	base, err := CleanServer(server)
	if err != nil {
		return nil, err
	}
	u, _ := url.Parse(base) // CleanServer has parsed it
	if u.Scheme == "http" && !o.PlainHTTP && !loopback(u.Hostname()) {
		return nil, &Failure{Fault{
			Code: "server.plain", Title: "Not sent",
			Detail: base + " is not on this machine, and http would send your token in the clear",
			Fix:    []Fix{{Say: "use https, or allow it where the network is trusted", Run: "curfew login --plain-http --server " + base}},
		}}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(o.CA)) {
			return nil, &Failure{Fault{Code: "invalid", Title: "Not sent", Detail: "the certificate authority is no PEM certificate", Status: http.StatusBadRequest}}
		}
	}
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	return &Client{
		server: base, token: token, agent: o.Agent, timeout: o.Timeout,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, DialContext: dialer.DialContext,
				TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true, MaxIdleConns: 4, IdleConnTimeout: time.Minute,
			},
			// A token goes where it was sent, and nowhere else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Server is the address that the client calls.
func (c *Client) Server() string { return c.server }

// CleanServer makes an address of a server out of what people type: the scheme
// is https except on this machine, and what follows the host is dropped.
func CleanServer(text string) (string, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		host, _, _ := strings.Cut(text, "/")
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if loopback(strings.Trim(host, "[]")) {
			text = "http://" + text
		} else {
			text = "https://" + text
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
		return "", &Failure{Fault{Code: "invalid", Title: "No server", Detail: fmt.Sprintf("%.100q is no address of a gateway", text), Status: http.StatusBadRequest, Fix: []Fix{{Say: "for example https://curfew.example.com"}}}}
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// request makes a request with what every request has.
func (c *Client) request(ctx context.Context, method, path string, query url.Values, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", path, err)
		}
		body = bytes.NewReader(text)
	}
	address := c.server + Base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, fmt.Errorf("call %s: %w", path, err)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/json, application/problem+json")
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.agent != "" {
		r.Header.Set("User-Agent", c.agent)
	}
	return r, nil
}

// send sends a request and returns its answer if that is no fault.
func (c *Client) send(r *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(r)
	if err != nil {
		if ctxErr := r.Context().Err(); errors.Is(ctxErr, context.Canceled) {
			return nil, context.Cause(r.Context())
		}
		return nil, c.unreachable(err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, faultOf(c.server, resp)
}

// call sends in and decodes the answer into out; nil: there is none.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	r, err := c.request(ctx, method, path, query, in)
	if err != nil {
		return err
	}
	resp, err := c.send(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerBound+1))
	switch {
	case err != nil:
		return c.unreachable(err)
	case len(text) > answerBound:
		return &Failure{Fault{Code: "gateway.answer", Title: "Not understood", Detail: "the gateway's answer is larger than any answer is", Status: http.StatusBadGateway}}
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return &Failure{Fault{Code: "gateway.answer", Title: "Not understood", Detail: c.server + " answers, and not as a Curfew gateway does", Status: http.StatusBadGateway, Fix: []Fix{{Say: "check the address and its version"}}}}
	}
	return nil
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (out T, err error) {
	err = c.call(ctx, http.MethodGet, path, query, nil, &out)
	return out, err
}

func post[T any](ctx context.Context, c *Client, path string, in any) (out T, err error) {
	err = c.call(ctx, http.MethodPost, path, nil, in, &out)
	return out, err
}

// seg is an identifier as a part of a path.
func seg(id string) string { return url.PathEscape(id) }
