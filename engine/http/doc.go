// Package http speaks HTTP for internal web applications and APIs: a reverse proxy
// that judges each request by its method and its normalized path, forwards it
// through the session's gate, adds the gateway's own credential, and tells the
// application who is asking. Every application has an origin of its own.
//
// A run of requests with one credential is one session, over as many connections as
// the client likes.
package http
