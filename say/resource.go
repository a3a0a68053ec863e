package say

import "github.com/curfewhq/curfew"

// Resource says what a resource is, and who one becomes there: "A postgres at
// orders.internal:5432. Each grant gets an account of its own there, which is removed
// at its end."
func Resource(r curfew.Resource) string {
	s := "A " + Clean(string(r.Type), curfew.MaxName) + " at " + Clean(r.Address, 300) + ". "
	if r.Account == curfew.Fixed {
		return s + "Everybody comes as its one fixed account, and the gateway is the wall: it reads every statement."
	}
	return s + "Each grant gets an account of its own there, which is removed at its end."
}
