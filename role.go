package curfew

import "time"

// Role is a named set of permissions on resources.
type Role struct {
	Name  RoleName `json:"name"`
	About string   `json:"about,omitempty"`
	// On selects the resources: by name, or by labels that must all be there.
	On       ResourceName      `json:"on,omitempty"`
	OnLabels map[string]string `json:"on_labels,omitempty"`
	// May and Never are lines in the engine's own grammar: "read orders.*".
	May   []string `json:"may"`
	Never []string `json:"never,omitempty"`
	// Includes adds the permissions of other roles; Excludes names roles that
	// nobody may hold at the same time as this one.
	Includes []RoleName    `json:"includes,omitempty"`
	Excludes []RoleName    `json:"excludes,omitempty"`
	Longest  time.Duration `json:"longest"` // a grant of this role never lasts longer
}

// Permission is what may be done on a resource, in its engine's terms. The text
// is opaque above the engine: the lines of a role and of all it includes.
type Permission struct {
	May   []string `json:"may"`
	Never []string `json:"never,omitempty"`
}

// Covers reports whether the role reaches the resource at all.
func (r Role) Covers(res Resource) bool {
	if r.On != "" {
		return r.On == res.Name
	}
	if len(r.OnLabels) == 0 {
		return false
	}
	for k, v := range r.OnLabels {
		if res.Labels[k] != v {
			return false
		}
	}
	return true
}
