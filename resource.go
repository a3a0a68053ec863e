package curfew

import "encoding/json"

// Resource is something to reach.
type Resource struct {
	Name    ResourceName      `json:"name"`
	Type    EngineType        `json:"type"`
	Address string            `json:"address"`         // host:port, or a socket folder the engine understands
	Login   string            `json:"login,omitempty"` // the gateway's own login, by reference: "env:NAME" or "file:NAME"
	Account AccountKind       `json:"account"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Options are the engine's own settings, opaque above it (database, TLS, …).
	Options json.RawMessage `json:"options,omitempty"`
	// Accepts is the digest of what the target gives everybody beyond the role, as
	// accepted for this resource; empty accepts nothing (THREATS 11).
	Accepts string `json:"accepts,omitempty"`
}

// AccountKind says who a principal becomes at the target.
type AccountKind string

// The kinds of account.
const (
	// Leased makes an account for each grant and removes it at the end.
	Leased AccountKind = "leased"
	// Fixed uses the resource's own login; the engine enforces the permission itself.
	Fixed AccountKind = "fixed"
)
