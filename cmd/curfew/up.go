package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/gateway"
	"github.com/curfewhq/curfew/history"
	historydb "github.com/curfewhq/curfew/history/sqlite"
	"github.com/curfewhq/curfew/identity"
	"github.com/curfewhq/curfew/ledger"
	ledgerdb "github.com/curfewhq/curfew/ledger/sqlite"
	"github.com/curfewhq/curfew/metrics"
	"github.com/curfewhq/curfew/reach"
	"github.com/curfewhq/curfew/record/local"
	"github.com/curfewhq/curfew/retention"
	"github.com/curfewhq/curfew/shelf"
	shelfdb "github.com/curfewhq/curfew/shelf/sqlite"
)

// Bounds of a planned stop: sessions are told and cut, then their ends are written.
const drainBound = 10 * time.Second

// historyFile is the history's, in the data folder.
const historyFile = "history.db"

// linkLife is how long the first sign-in link is good for.
const linkLife = 15 * time.Minute

// running is a gateway that has been put together.
type running struct {
	opt      options
	log      *slog.Logger
	node     *ledger.Node
	ledger   *ledgerdb.Ledger
	shelf    *shelf.Sealed
	reserve  *access.Reserve
	access   *access.Service
	identity *identity.Service
	history  *historydb.Store
	record   *local.Store
	engines  map[curfew.EngineType]engine.Engine
	gateway  *gateway.Gateway
	dialer   *reach.Dialer
	doors    struct{ http, postgres, mysql, ssh, apps, tcp, metrics net.Listener } // nil: not listened on
	sshKey   string                                                                // what SSH clients are to expect
	certs    certificates
	closers  []func() error
}

// up runs the gateway until ctx ends.
func up(ctx context.Context, args []string) error {
	opt, err := parseOptions(args, os.Stderr)
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if opt.quiet {
		level = slog.LevelWarn
	}
	r := &running{opt: opt, log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))}
	defer r.close()
	if err := r.open(ctx); err != nil {
		return err
	}
	return r.run(ctx)
}

func (r *running) closeLater(f func() error) { r.closers = append(r.closers, f) }

func (r *running) close() {
	for i := len(r.closers) - 1; i >= 0; i-- {
		if err := r.closers[i](); err != nil {
			r.log.Error("close", "err", err)
		}
	}
}

// open opens everything that lies on disk, and refuses what does not fit together.
func (r *running) open(ctx context.Context) error {
	if err := r.openLedger(ctx); err != nil {
		return err
	}
	rows, err := shelfdb.Open(filepath.Join(r.opt.data, "shelf.db"))
	if err != nil {
		return err
	}
	secret := r.node.Secret()
	r.shelf = shelf.New(rows, secret.Derive("shelf"))
	r.closeLater(r.shelf.Close)
	if r.reserve, err = access.OpenReserve(filepath.Join(r.opt.node, "reserve")); err != nil {
		return err
	}
	r.closeLater(r.reserve.Close)
	if r.access, err = access.Open(ctx, access.Parts{Ledger: r.ledger, Reserve: r.reserve, Log: r.log, Snapshot: snapshotPlace{r.shelf}}); err != nil {
		return err
	}
	r.identity = identity.New(identity.Parts{Access: r.access, Shelf: r.shelf, Ring: secret.Derive("identity"), Log: r.log})
	if r.history, err = historydb.Open(filepath.Join(r.opt.data, historyFile)); err != nil {
		return err
	}
	r.closeLater(r.history.Close)
	r.record, err = local.Open(local.Parts{
		Folder: filepath.Join(r.opt.data, "recordings"), Ring: secret.Derive("recordings"), Log: r.log, Shape: r.shape,
		Anchor: func(ctx context.Context, heads map[curfew.SessionID][]byte) error {
			_, err := r.access.Do(ctx, access.Note{Kind: curfew.KindRecordingsAnchored, Body: curfew.RecordingsAnchored{Heads: heads}})
			return err
		},
	})
	if err != nil {
		return err
	}
	return r.openDoors()
}

// openLedger opens the node and its ledger: a new one of both, or the two that
// belong together. Anything else is refused by name.
func (r *running) openLedger(ctx context.Context) error {
	fresh := false
	node, err := ledger.OpenNode(r.opt.node)
	if curfew.CodeOf(err) == curfew.NotFound {
		if _, statErr := os.Stat(filepath.Join(r.opt.data, "ledger.db")); statErr == nil {
			return curfew.Errorf(curfew.Corrupt, "there is a ledger in %s and no node in %s", r.opt.data, r.opt.node).
				WithFix("put the node's folder back; it is never in the same backup as the data. If it is lost for good: curfew restore --how new-key")
		}
		name := r.opt.deployment
		if name == "" {
			name = "d" + strings.ToLower(curfew.NewID("")[1:9])
		}
		if err := checkDeployment(name); err != nil {
			return err
		}
		fresh = true
		node, err = ledger.CreateNode(r.opt.node, name)
	}
	if err != nil {
		return err
	}
	r.node = node
	if r.ledger, err = ledgerdb.Open(r.opt.data, node.Signer()); err != nil {
		return err
	}
	r.closeLater(r.ledger.Close)
	if err := ledger.Check(ctx, r.ledger, node.Newest()); err != nil {
		return err
	}
	if !fresh && r.ledger.Head().Size > 0 {
		return nil
	}
	if err := ledger.Begin(ctx, r.ledger, node.Signer(), time.Now()); err != nil {
		return err
	}
	return node.Remember(r.ledger.Head(), true)
}

// checkDeployment: the name is part of SQL identifiers and of every signed head.
func checkDeployment(name string) error {
	if len(name) < 1 || len(name) > 16 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return curfew.Errorf(curfew.Invalid, "%.40q cannot name a deployment: 1 to 16 lower-case letters and digits", name)
	}
	return nil
}

// group runs functions until one fails or ctx ends, and waits for all.
type group struct {
	wg     sync.WaitGroup
	cancel context.CancelCauseFunc
}

func (g *group) run(name string, f func() error) {
	g.wg.Go(func() {
		if err := f(); err != nil {
			g.cancel(fmt.Errorf("%s: %w", name, err))
		}
	})
}

// run serves until ctx ends, then drains.
func (r *running) run(ctx context.Context) error {
	inner, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	g := &group{cancel: cancel}
	g.run("access", func() error { return r.access.Run(inner) })
	g.run("node", func() error { return r.node.Follow(inner, r.ledger, urgent) })
	g.run("history", func() error { return history.Follow(inner, r.ledger, r.history, r.log) })
	g.run("recordings", func() error { return r.record.Run(inner) })
	keeper := retention.New(retention.Parts{Access: r.access, History: r.history, Record: r.record, Log: r.log})
	g.run("retention", func() error { return keeper.Run(inner) })
	g.run("leases", func() error { return r.gateway.Lease.Run(inner) })
	g.run("refusals", func() error { return r.gateway.SumUp(inner) })
	g.run("credentials", func() error { return r.sweep(inner) })
	if r.opt.witness != "" {
		g.run("witness", func() error { return witness(inner, r.ledger, r.opt.witness) })
	}
	link, err := r.firstLink(inner)
	if err == nil {
		err = r.announce(link)
	}
	web, webErr := r.web()
	err = errors.Join(err, webErr)
	server := &http.Server{Handler: web, ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10, TLSConfig: r.httpTLS()}
	doors, closeDoors := context.WithCancel(inner)
	if err == nil {
		r.serve(doors, g, server)
		select {
		case <-ctx.Done():
		case <-inner.Done():
			err = context.Cause(inner)
		}
	}
	closeDoors()
	r.access.Drain()
	for end := time.Now().Add(drainBound); r.access.Live() > 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	stop, done := context.WithTimeout(inner, time.Second)
	_ = server.Shutdown(stop) // streams are cut when it closes
	done()
	_ = server.Close()
	cancel(nil)
	g.wg.Wait()
	return err
}

func (r *running) serve(ctx context.Context, g *group, server *http.Server) {
	g.run("api", func() error {
		var err error
		if server.TLSConfig != nil {
			err = server.ServeTLS(r.doors.http, "", "")
		} else {
			err = server.Serve(r.doors.http)
		}
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	})
	if r.doors.metrics != nil {
		m := metrics.New(r.access)
		g.run("counting", func() error { return m.Run(ctx) })
		g.run("metrics", func() error { return serveMetrics(ctx, r.doors.metrics, m.Handler()) })
	}
	g.run("postgres", func() error { return r.gateway.Serve(ctx, r.doors.postgres, r.engines["postgres"]) })
	if r.doors.apps != nil {
		g.run("apps", func() error { return r.gateway.Serve(ctx, r.doors.apps, r.engines["http"]) })
	}
	if r.doors.tcp != nil {
		g.run("tcp", func() error { return r.gateway.Serve(ctx, r.doors.tcp, r.engines["tcp"]) })
	}
	if r.doors.mysql != nil {
		g.run("mysql", func() error { return r.gateway.Serve(ctx, r.doors.mysql, r.engines["mysql"]) })
	}
	if r.doors.ssh != nil {
		g.run("ssh", func() error { return r.gateway.Serve(ctx, r.doors.ssh, r.engines["ssh"]) })
	}
}

// serveMetrics answers Prometheus until ctx ends.
func serveMetrics(ctx context.Context, ln net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// urgent events end access: this node's memory of them is on disk at once.
func urgent(k curfew.Kind) bool {
	switch k {
	case curfew.KindGrantEnded, curfew.KindGrantShortened, curfew.KindWorkflowClosed, curfew.KindPrincipalDisabled, curfew.KindPrincipalSignedOut, curfew.KindTokenWithdrawn,
		curfew.KindLinkUsed, curfew.KindPassphraseSet, curfew.KindPasskeyAdded, curfew.KindPasskeyRemoved, curfew.KindConfigApplied, curfew.KindRecordingHeld:
		return true
	}
	return false
}

// sweep drops connection credentials that are over.
func (r *running) sweep(ctx context.Context) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := r.identity.Sweep(ctx); err != nil {
				r.log.Warn("old credentials could not be dropped", "err", err)
			}
		}
	}
}

// firstLink makes the one-time link of the first administrator, as long as
// nobody has signed in. There is never a default password.
func (r *running) firstLink(ctx context.Context) (string, error) {
	var first curfew.Principal
	joined := false
	r.access.View(func(st *access.State) {
		for id, p := range st.People {
			joined = joined || p.Joined
			if st.InGroup(id, curfew.Administrators) && (first == "" || id < first) {
				first = id
			}
		}
	})
	if joined {
		return "", nil
	}
	if first == "" {
		var err error
		if first, err = r.identity.AddPerson(ctx, "", r.opt.admin, ""); err != nil {
			return "", err
		}
	}
	return r.identity.IssueLink(ctx, first, "", linkLife)
}

// announce says where everything is.
func (r *running) announce(link string) error {
	base := r.baseURL()
	lines := []string{"api " + base, "console " + r.consoleURL(), "postgres " + r.doors.postgres.Addr().String()}
	if r.doors.metrics != nil {
		lines = append(lines, "metrics http://"+r.doors.metrics.Addr().String()+"/metrics")
	}
	fmt.Fprintf(os.Stderr, "Curfew is up. Deployment %s, %d events in the ledger.\n  Console     %s\n  API         %s\n  PostgreSQL  %s\n",
		r.node.Signer().Deployment(), r.ledger.Head().Size, r.consoleURL(), base, r.doors.postgres.Addr())
	if r.doors.mysql != nil {
		lines = append(lines, "mysql "+r.doors.mysql.Addr().String())
		fmt.Fprintf(os.Stderr, "  MySQL       %s\n", r.doors.mysql.Addr())
	}
	if r.doors.ssh != nil {
		lines = append(lines, "ssh "+r.doors.ssh.Addr().String())
		fmt.Fprintf(os.Stderr, "  SSH         %s\n", r.doors.ssh.Addr())
	}
	if r.doors.apps != nil {
		lines = append(lines, "apps "+r.doors.apps.Addr().String())
		fmt.Fprintf(os.Stderr, "  Web         %s\n", cmp.Or(strings.Replace(r.appsURL(), "*", "NAME", 1), r.doors.apps.Addr().String()+" (browsers: --apps-url)"))
	}
	if r.doors.tcp != nil {
		lines = append(lines, "tcp "+r.doors.tcp.Addr().String())
		fmt.Fprintf(os.Stderr, "  TCP         %s\n", r.doors.tcp.Addr())
	}
	if link != "" {
		lines = append(lines, "link "+base+"/join#"+link, "join "+r.consoleURL()+"/join?key="+link)
		fmt.Fprintf(os.Stderr, "  First sign-in (one use, %d min): %s/join?key=%s\n    or here: curfew login '%s/join?key=%s'\n", int(linkLife.Minutes()), r.consoleURL(), link, base, link)
	}
	if r.opt.addresses == "" {
		return nil
	}
	lines = append(lines, "genesis "+r.genesis())
	tmp := r.opt.addresses + ".new"
	if err := os.WriteFile(tmp, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the addresses")
	}
	return os.Rename(tmp, r.opt.addresses)
}
