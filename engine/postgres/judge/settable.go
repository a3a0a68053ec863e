package judge

import (
	"slices"
	"strings"
)

// Settable reports whether a session on a fixed account may set a parameter to a
// value, when it starts as later.
func Settable(name, value string) bool {
	values, ok := settable(name)
	if !ok || strings.EqualFold(name, "search_path") {
		return false
	}
	return values == nil || slices.Contains(values, strings.ToLower(value))
}
