package api

import (
	"context"
	"net/http"
	"time"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/identity"
)

// devicePoll is how often a client may ask whether it was let in.
const devicePoll = 2 * time.Second

func (s *Server) deviceRoutes() {
	add(s, Anybody, http.MethodPost, "/device", "Begin to sign in by a code that is typed into a browser", s.awaitDevice)
	add(s, Anybody, http.MethodPost, "/device/token", "Say whether the code was typed; then the token, once, which asks and uses nothing", s.collectDevice)
}

func (s *Server) awaitDevice(ctx context.Context, _ caller, in *struct{ Body client.DeviceAsk }) (*body[client.DeviceWait], error) {
	secret, code, d, err := s.parts.Identity.Await(identity.From{Address: addressOf(ctx), Device: in.Body.Device})
	if err != nil {
		return nil, err
	}
	return &body[client.DeviceWait]{client.DeviceWait{Secret: secret, Code: code, Page: s.parts.Console + "/device", Until: d.Until, Every: span(devicePoll)}}, nil
}

func (s *Server) collectDevice(ctx context.Context, _ caller, in *struct{ Body client.DeviceCollect }) (*body[client.DeviceAnswer], error) {
	who, token, until, err := s.parts.Identity.Collect(in.Body.Secret)
	if err != nil {
		return nil, err
	}
	if token == "" {
		return &body[client.DeviceAnswer]{client.DeviceAnswer{Waiting: true}}, nil
	}
	me := s.whoIs(ctx, who)
	me.Until, me.Asks = until, true
	return &body[client.DeviceAnswer]{client.DeviceAnswer{Token: token, Me: &me}}, nil
}
