package http

import (
	"bytes"
	"encoding/json"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/curfewhq/curfew"
)

// Engine speaks HTTP.
type Engine struct {
	idle    time.Duration // how long a run lives without a request
	proving chan struct{} // bounds the secrets that are looked at at the same time

	endings endings

	mu    sync.Mutex
	slots map[holder]*slot // guarded by mu; credentials in use
}

// New returns the engine.
func New() *Engine {
	return &Engine{idle: runIdle, proving: make(chan struct{}, 4), slots: map[holder]*slot{}}
}

// Type is "http".
func (*Engine) Type() curfew.EngineType { return "http" }

// settings are a resource's options.
type settings struct {
	Scheme string `json:"scheme"` // https, or http
	Host   string `json:"host"`   // what the application is called in requests; "": its address
}

func settingsOf(res curfew.Resource) (settings, error) {
	s := settings{Scheme: "https"}
	if len(res.Options) > 0 {
		dec := json.NewDecoder(bytes.NewReader(res.Options))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&s); err != nil {
			return s, curfew.Errorf(curfew.Invalid, "the options of %s are not HTTP's: %s", res.Name, err).WithFix("scheme and host are some")
		}
	}
	if s.Scheme != "http" && s.Scheme != "https" {
		return s, curfew.Errorf(curfew.Invalid, "the scheme of %s is %.40q", res.Name, s.Scheme).WithFix("options: { scheme: https }, or http")
	}
	if s.Host == "" {
		s.Host = res.Address
	}
	if u, err := url.Parse("http://" + s.Host); err != nil || u.Host != s.Host || u.Hostname() == "" {
		return s, curfew.Errorf(curfew.Invalid, "the host of %s, %.80q, is none", res.Name, s.Host).WithFix("options: { host: admin.internal }")
	}
	return s, nil
}

// CheckResource refuses what it does not understand.
func (*Engine) CheckResource(res curfew.Resource) error {
	if _, _, err := net.SplitHostPort(res.Address); err != nil {
		return curfew.Errorf(curfew.Invalid, "%.80q is no address", res.Address).WithFix("write host:port, for example admin.internal:8443")
	}
	if !label(string(res.Name)) {
		return curfew.Errorf(curfew.Invalid, "%.80q cannot be a part of a host's name, by which an application is reached", res.Name).
			WithFix("name it with lower-case letters, digits and dashes, at most 63")
	}
	if res.Account != curfew.Fixed {
		return curfew.Errorf(curfew.Invalid, "no accounts are made in %s", res.Name).WithFix("account: fixed")
	}
	_, err := settingsOf(res)
	return err
}

// label reports whether a name can stand before a host's.
func label(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return name != "" && len(name) <= 63 && name[0] != '-' && name[len(name)-1] != '-'
}

// CheckPermission refuses lines that are not in the grammar.
func (*Engine) CheckPermission(_ curfew.Resource, p curfew.Permission) error {
	_, err := parse(p)
	return err
}

// Effect says a permission in plain English.
func (*Engine) Effect(p curfew.Permission) (effect string, dangers []string) {
	may, err := parse(p)
	if err != nil {
		return "(cannot be read)", nil
	}
	return may.effect()
}

// Covers reports whether everything b allows lies within a.
func (*Engine) Covers(a, b curfew.Permission) bool {
	mine, err1 := parse(a)
	theirs, err2 := parse(b)
	return err1 == nil && err2 == nil && mine.covers(theirs)
}
