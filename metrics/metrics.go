// Package metrics counts what happens, for Prometheus. It follows the ledger and
// looks at the state, and at the process itself; it names no person, no resource, no grant and no secret:
// labels are causes, rules and types of engine, of which there are few.
package metrics

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// Metrics is what this process has seen since it started, and what is now.
type Metrics struct {
	access   *access.Service
	registry *prometheus.Registry

	requests, grantEnds, sessionEnds, refused *prometheus.CounterVec
	grants, sessions                          prometheus.Counter
	statements, rows, bytes                   prometheus.Counter
	cut, gone                                 prometheus.Histogram

	active, pending, stuck, events, silent, unwritten, closed *prometheus.Desc
	live                                                      *prometheus.Desc
}

// New returns Metrics of a service; Run keeps them.
func New(a *access.Service) *Metrics {
	m := &Metrics{access: a, registry: prometheus.NewRegistry()}
	vec := func(name, help, label string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
		m.registry.MustRegister(c)
		return c
	}
	count := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	took := func(name, help string) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: []float64{.001, .005, .01, .05, .1, .25, .5, 1, 2, 5, 15, 60, 300, 3600}})
		m.registry.MustRegister(h)
		return h
	}
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	m.requests = vec("curfew_requests_total", "Requests by what became of them: asked, approved, denied, withdrawn, lapsed, voided.", "outcome")
	m.grants = count("curfew_grants_started_total", "Grants whose clock has started.")
	m.grantEnds = vec("curfew_grants_ended_total", "Grants that ended, by cause.", "cause")
	m.sessions = count("curfew_sessions_opened_total", "Sessions that opened.")
	m.sessionEnds = vec("curfew_sessions_ended_total", "Sessions that ended, by cause.", "cause")
	m.refused = vec("curfew_sessions_refused_total", "Connections that were not let in, by the rule that refused.", "rule")
	m.statements = count("curfew_statements_total", "Statements of sessions that have ended.")
	m.rows = count("curfew_rows_total", "Rows of sessions that have ended.")
	m.bytes = count("curfew_bytes_total", "Bytes of sessions that have ended.")
	m.cut = took("curfew_session_cut_seconds", "From a session's end to its work being seen to be over at the target.")
	m.gone = took("curfew_cut_seconds", "From a grant's end to its account being seen to be gone at the target.")
	m.active = desc("curfew_grants_active", "Grants whose clock is running.")
	m.pending = desc("curfew_requests_pending", "Requests that wait.")
	m.live = desc("curfew_sessions_active", "Live sessions, by type of engine.", "type")
	m.stuck = desc("curfew_leases_stuck", "Accounts that cannot be removed yet.")
	m.events = desc("curfew_ledger_events", "Events in the ledger.")
	m.silent = desc("curfew_ledger_silent_seconds", "How long the ledger has not answered a turn; 0 while none is under way.")
	m.unwritten = desc("curfew_unwritten", "Commands that have acted and are not in the ledger yet.")
	m.closed = desc("curfew_closed", "1 while nothing is given: the ledger was restored and is not confirmed, or the clock was stepped.", "why")
	m.registry.MustRegister(m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Run counts what happens from now on until ctx ends.
func (m *Metrics) Run(ctx context.Context) error {
	var from uint64
	m.access.View(func(st *access.State) { from = st.Size })
	err := m.access.Follow(ctx, from, func(events []curfew.Event) error {
		for _, e := range events {
			m.count(e)
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Describe makes Metrics a prometheus.Collector of what is now.
func (m *Metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.active, m.pending, m.live, m.stuck, m.events, m.silent, m.unwritten, m.closed} {
		out <- d
	}
}

// Collect looks at the state.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	active, stuck, pending, size := 0, 0, 0, uint64(0)
	live := map[curfew.EngineType]int{}
	var restored, stepped bool
	m.access.View(func(st *access.State) {
		for _, g := range st.Grants {
			if g.Status == access.Active {
				active++
			}
		}
		for _, l := range st.Leases {
			if l.Stuck != "" {
				stuck++
			}
		}
		for _, s := range st.Sessions {
			live[st.Config.Resources[s.Resource].Type]++
		}
		pending, size, restored, stepped = len(st.Requests), st.Size, st.Restored, st.ClockStepped
	})
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(m.active, float64(active))
	gauge(m.stuck, float64(stuck))
	gauge(m.pending, float64(pending))
	gauge(m.events, float64(size))
	gauge(m.silent, m.access.Silent(time.Now()).Seconds())
	gauge(m.unwritten, float64(m.access.Unwritten()))
	for typ, n := range live {
		gauge(m.live, float64(n), string(typ))
	}
	for why, is := range map[string]bool{"restored": restored, "clock": stepped} {
		v := 0.0
		if is {
			v = 1
		}
		gauge(m.closed, v, why)
	}
}

// Handler answers with the metrics, in Prometheus's text format or OpenMetrics, to
// whoever reaches it by a loopback name: a page in a browser on this machine that
// rebinds a name of its own does not (THREATS 7).
func (m *Metrics) Handler() http.Handler {
	inner := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		switch {
		case host != "localhost" && (ip == nil || !ip.IsLoopback()):
			http.Error(w, "metrics are for this machine: ask for them at 127.0.0.1", http.StatusForbidden)
		case r.URL.Path != "/metrics":
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			http.Error(w, "metrics are read with GET", http.StatusMethodNotAllowed)
		default:
			inner.ServeHTTP(w, r)
		}
	})
}
