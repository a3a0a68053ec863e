package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/api"
	"github.com/curfewhq/curfew/console"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/gateway"
	"github.com/curfewhq/curfew/ledger"
	"github.com/curfewhq/curfew/reach"
	"github.com/curfewhq/curfew/record"
	"github.com/curfewhq/curfew/seal"
	"github.com/curfewhq/curfew/shelf"
	"github.com/curfewhq/curfew/vault"
)

// openDoors listens, and puts the gateway together.
func (r *running) openDoors() error {
	var err error
	if r.certs, err = openCertificates(r.opt, r.node.Folder()); err != nil {
		return err
	}
	r.dialer = &reach.Dialer{}
	for _, d := range []struct {
		to      *net.Listener
		address string
	}{{&r.doors.http, r.opt.http}, {&r.doors.postgres, r.opt.postgres}, {&r.doors.mysql, r.opt.mysql}, {&r.doors.ssh, r.opt.ssh}, {&r.doors.apps, r.opt.apps}, {&r.doors.tcp, r.opt.tcp}, {&r.doors.metrics, r.opt.metrics}} {
		if d.address == "" {
			continue
		}
		if *d.to, err = net.Listen("tcp", d.address); err != nil {
			return curfew.Wrap(curfew.Unavailable, err, "listen on %s", d.address).WithFix("stop what uses it, or choose another address: curfew up --help")
		}
		r.closeLater(func() error { _ = (*d.to).Close(); return nil })
		r.dialer.Own((*d.to).Addr())
	}
	keys, err := openSSHKeys(r.node.Folder(), append(append([]string(nil), r.certs.names...), r.opt.names...))
	if err != nil {
		return err
	}
	r.sshKey = keys.known()
	r.engines = engines(keys.Keys)
	r.access.View(func(st *access.State) {
		for _, res := range st.Config.Resources { // they were checked when they were written; an engine may want to prepare
			if e := r.engines[res.Type]; e != nil {
				if err := e.CheckResource(res); err != nil {
					r.log.Warn("a resource that this version refuses", "resource", res.Name, "err", err)
				}
			}
		}
	})
	browsers, err := r.browsers()
	if err != nil {
		return err
	}
	r.passkeysAt(browsers.Console)
	r.gateway = gateway.New(gateway.Parts{
		Browsers: browsers,
		Access:   r.access, Identity: r.identity, Record: r.record, Dialer: r.dialer, Vault: vault.Open(r.opt.credentials),
		Engines: r.engines, Deployment: r.node.Signer().Deployment(), TLS: r.certs.server, Notices: r.opt.notices, Log: r.log,
		Introductions: introductions(r.node.Secret()),
	})
	return nil
}

// introductions is the key that signs what applications are told of who is asking.
func introductions(secret *seal.Ring) ed25519.PrivateKey {
	seed := secret.Derive("introductions").MAC([]byte("ed25519"))
	return ed25519.NewKeyFromSeed(seed[:])
}

// shape is how a recording looks to those who may not see values; nil: they see nothing.
func (r *running) shape(h record.Header) func(record.Item) record.Item {
	var kind curfew.EngineType
	r.access.View(func(st *access.State) { kind = st.Config.Resources[h.Resource].Type })
	if s, ok := r.engines[kind].(engine.Shaper); ok {
		return s.Shape
	}
	return nil
}

// baseURL is how clients reach the API.
func (r *running) baseURL() string {
	scheme := "https"
	if loopback(r.opt.http) {
		scheme = "http"
	}
	return scheme + "://" + r.doors.http.Addr().String()
}

// web is what the API's listener answers with: the API, and the pages for browsers.
func (r *running) web() (http.Handler, error) {
	b, err := r.browsers()
	if err != nil {
		return nil, err
	}
	return console.New(console.Parts{API: r.api(), Origin: b.Console, App: b.App, Apps: b.Apps, Dist: console.Dist(), Log: r.log})
}

func (r *running) api() *api.Server {
	apiHost, _, _ := net.SplitHostPort(r.doors.http.Addr().String())
	doors := map[curfew.EngineType]api.Door{"postgres": doorOf(r.doors.postgres, r.certs.authority)}
	if r.doors.apps != nil {
		doors["http"] = doorOf(r.doors.apps, r.certs.authority)
	}
	if r.doors.tcp != nil {
		doors["tcp"] = doorOf(r.doors.tcp, r.certs.authority)
	}
	if r.doors.mysql != nil {
		doors["mysql"] = doorOf(r.doors.mysql, r.certs.authority)
	}
	if r.doors.ssh != nil {
		doors["ssh"] = doorOf(r.doors.ssh, r.sshKey)
	}
	hosts := append(append([]string{apiHost, "localhost", onThisMachine, "127.0.0.1", "::1"}, r.certs.names...), r.opt.names...)
	return api.New(api.Parts{
		Access: r.access, Identity: r.identity, History: r.history, Record: r.record, Shelf: r.shelf, Engines: r.engines,
		Doors: doors, Hosts: hosts, Console: r.consoleURL(),
		Doctor: r.doctor, Setup: r.setup, Held: r.gateway.Held, Version: version(), Log: r.log,
		Export: func(ctx context.Context, w io.Writer) error { return ledger.Export(ctx, w, r.ledger) },
		Verify: func(ctx context.Context) (ledger.Report, error) {
			return ledger.Verify(ctx, ledger.Live(r.ledger), access.Checks())
		},
	})
}

// doorOf is a listener as clients reach it, and how it proves what it is.
func doorOf(ln net.Listener, proof string) api.Door {
	a := ln.Addr().(*net.TCPAddr) // they all listen on TCP
	return api.Door{Host: a.IP.String(), Port: a.Port, CA: proof}
}

// genesis is the key that offline verification starts from.
func (r *running) genesis() string {
	events, err := r.ledger.Read(context.Background(), 1, 1)
	if err != nil || len(events) == 0 {
		return ""
	}
	return base64.StdEncoding.EncodeToString(genesisKey(events[0]))
}

// snapshotPlace remembers on the shelf where the newest snapshot is named.
type snapshotPlace struct{ shelf *shelf.Sealed }

func (p snapshotPlace) Load() (uint64, bool) {
	b, err := p.shelf.Get(context.Background(), "snapshot", "newest")
	if err != nil || len(b) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}

func (p snapshotPlace) Save(position uint64) error {
	_, err := p.shelf.Put(context.Background(), "snapshot", "newest", binary.BigEndian.AppendUint64(nil, position))
	return err
}

// witness appends every signed head to a file that lies elsewhere, from the
// newest on, until ctx ends.
func witness(ctx context.Context, l ledger.Ledger, path string) error {
	for after := l.Head().Size; ; {
		h := l.Head()
		if err := ledger.Witness(path, h); err != nil {
			return err
		}
		after = max(after, h.Size)
		if l.Wait(ctx, after) != nil {
			return nil // ctx has ended
		}
	}
}
