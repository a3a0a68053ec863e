package curfew

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names a person gives to things. Each kind has its own type, so that mixing
// them does not compile.
type (
	// ResourceName names something to reach: "orders-db".
	ResourceName string
	// RoleName names a role: "orders/refund-fixer".
	RoleName string
	// PolicyName names a policy.
	PolicyName string
	// GroupName names a group of people.
	GroupName string
	// EngineType names the engine that speaks a resource's protocol: "postgres".
	EngineType string
)

// Identifiers made by the server; nobody else makes one. Each starts with a
// prefix that says its kind (ID).
type (
	// Principal is who asks: a person, a service or an agent ("p_…"). It is
	// opaque: a name or an e-mail address is display, never identity.
	Principal string
	// RequestID is "rq_…".
	RequestID string
	// GrantID is "gr_…".
	GrantID string
	// SessionID is "s_…".
	SessionID string
	// LeaseID is "l_…".
	LeaseID string
	// WorkflowID is the identifier a workflow source gives: "INC-1423".
	WorkflowID string
	// CredentialID is the public half of a connection credential: "c_…".
	CredentialID string
	// StatementID is a statement that waited for somebody's release: "st_…".
	StatementID string
	// PlanID is the digest of a proposed change of configuration.
	PlanID string
)

// MaxName bounds a name a person gives, in bytes.
const MaxName = 128

// CheckName says whether s may name a resource, role, policy, group or
// workflow: 1 to MaxName bytes of UTF-8, letters, digits and "._-/@+#", starting
// with a letter or digit. Names appear in terminals, file names and SQL
// identifiers; what acts in one of those is not a name.
func CheckName(s string) error {
	if s == "" {
		return Errorf(Invalid, "a name is empty")
	}
	if len(s) > MaxName {
		return Errorf(Invalid, "the name %.20q… is longer than %d bytes", s, MaxName)
	}
	if !utf8.ValidString(s) {
		return Errorf(Invalid, "the name %q is not valid UTF-8", s)
	}
	for i, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			continue
		}
		if i > 0 && strings.ContainsRune("._-/@+#", r) {
			continue
		}
		return Errorf(Invalid, "the name %q has %q in it; names are letters, digits and . _ - / @ + #, and begin with a letter or digit", s, r)
	}
	return nil
}
