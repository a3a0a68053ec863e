package metrics

import (
	"encoding/json"
	"strings"

	"github.com/curfewhq/curfew"
)

// count takes one event. Of bodies it reads causes, rules and sums, nothing else.
func (m *Metrics) count(e curfew.Event) {
	var b struct {
		Cause      curfew.Cause `json:"cause"`
		Rule       string       `json:"rule"`
		Times      int          `json:"times"`
		Statements int64        `json:"statements"`
		Rows       int64        `json:"rows"`
		Bytes      int64        `json:"bytes"`
		CutTook    int64        `json:"cut_took"` // nanoseconds, like Took
		Took       int64        `json:"took"`
	}
	if json.Unmarshal(e.Body, &b) != nil {
		return // the fold says so, and closes
	}
	switch e.Kind {
	case curfew.KindRequestAsked, curfew.KindRequestDenied, curfew.KindRequestWithdrawn, curfew.KindRequestLapsed, curfew.KindRequestVoided:
		m.requests.WithLabelValues(strings.TrimPrefix(string(e.Kind), "request.")).Inc()
	case curfew.KindGrantApproved, curfew.KindGrantExtended:
		m.requests.WithLabelValues("approved").Inc()
	case curfew.KindGrantStarted:
		m.grants.Inc()
	case curfew.KindGrantEnded:
		m.grantEnds.WithLabelValues(string(b.Cause)).Inc()
	case curfew.KindSessionOpened:
		m.sessions.Inc()
	case curfew.KindSessionEnded:
		m.sessionEnds.WithLabelValues(string(b.Cause)).Inc()
		m.statements.Add(float64(max(b.Statements, 0)))
		m.rows.Add(float64(max(b.Rows, 0)))
		m.bytes.Add(float64(max(b.Bytes, 0)))
		if b.CutTook > 0 {
			m.cut.Observe(float64(b.CutTook) / 1e9)
		}
	case curfew.KindSessionRefused:
		m.refused.WithLabelValues(b.Rule).Inc()
	case curfew.KindRefusalsCounted:
		m.refused.WithLabelValues(b.Rule).Add(float64(max(b.Times, 0)))
	case curfew.KindLeaseVerified:
		m.gone.Observe(float64(b.Took) / 1e9)
	}
}
