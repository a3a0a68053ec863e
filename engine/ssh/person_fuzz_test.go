package ssh

import (
	"strings"
	"testing"
)

// FuzzDestination: whatever a user name says, nothing is added to it or lost.
func FuzzDestination(f *testing.F) {
	for _, user := range []string{"web-1", "deploy@web-1", "web-1+ops", "deploy@web-1+web/ops", "a@b@c+d+e", "@", "+", "_", "_.curfew", "c_0123456789ABCDEF", ""} {
		f.Add(user)
	}
	f.Fuzz(func(t *testing.T, user string) {
		for i, d := range destinationsOf(user) {
			again := d.name
			if d.login != "" {
				again = d.login + "@" + again
			}
			if d.role != "" || i > 0 && strings.HasSuffix(user, "+") && again != user {
				again += "+" + d.role
			}
			if again != user {
				t.Errorf("%q is read as %+v", user, d)
			}
		}
		for _, d := range at(user, "web-1") {
			if d.name != "web-1" {
				t.Errorf("%q leads elsewhere: %+v", user, d)
			}
		}
		if ending, ok := inLobby(user); ok && user != lobby+ending {
			t.Errorf("%q is in the lobby, by %q", user, ending)
		}
		_, _ = spanOf(user)
	})
}
