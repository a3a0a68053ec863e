package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/curfewhq/curfew"
)

// known is lookup the other way round.
func known(p curfew.Principal) Known {
	local, ok := strings.CutPrefix(string(p), "p_")
	if !ok {
		return Known{}
	}
	return Known{Email: local + "@acme.io", Name: "Somebody: called \"" + local + "\""}
}

const awkward = `curfew: v1
settings: { settle: 2h }
retention: { recordings: 90d }
people:
  ann@acme.io: { manager: bob@acme.io }
groups: { ops: [ann@acme.io, bob@acme.io], "true": [], "7": [cat@acme.io], administrators: [bob@acme.io] }
resources:
  db: { type: postgres, address: "db:1", login: env:DB, account: fixed, labels: { env: "1", "no": "null" }, accepts: 9f86d081884c7d65, database: "a: b", tls: { mode: verify, n: 7, list: [1, "x"] } }
  web: { type: ssh, address: "web:22", host key: ["ssh-ed25519 AAAA", "SHA256:abc+/="], options: { a: "1", b: true, "c d": { e: "#" } } }
roles:
  a: { about: "What it is: for <all> & \"more\" #1.", on: db, may: ["read *", "- not a list", "update refunds (status, note)", "{x}"], never: [x, "y: z"], includes: b, excludes: [c], longest: 1d }
  b: { on: { env: "1" }, may: b, longest: 1h30m }
  c: { on: web, may: c, longest: 90s }
policies:
  p:
    who: [ops, max@acme.io]
    may have: [a, b]
    when: { hours: ["weekdays 9:00-18:00 UTC", "Sat 10:00-12:00 Europe/Paris"], freezes: allowed }
    needs:
      - { change: open, assigned to: requester }
      - { approvals: 1, from: [manager, peer, ops, bob@acme.io] }
    at most: 50m
    answer within: 10m
    use within: 1h
    starts: first use
    record: first, results
    extensions: none
    risk: high
    budget: { statements: 200, rows: 10000, bytes: 1000000000 }
    release: { statements: [drop, delete-without-where], by: { approvals: 1, from: ops }, within: 5m }
  own: { who: ops, may have: c, needs: [{ ticket: open, accept: self-declared }], when: { freezes: allowed } }
  other: { who: ops, may have: c, needs: [{ incident: open, opened by: someone else }] }
freezes:
  christmas: { from: 2026-12-24T18:00:00+01:00, to: 2026-12-27T08:00:00+01:00 }
`

func TestWhatIsWrittenIsReadTheSame(t *testing.T) {
	for name, text := range map[string]string{"awkward": strings.Replace(awkward, "record: first, results", `record: "first, results"`, 1), "example": string(example(t)), "small": small} {
		_, c := resolved(t, text)
		written := Write(c, known)
		_, again := resolved(t, string(written))
		if !reflect.DeepEqual(c, again) {
			t.Errorf("%s: %v\n%s", name, Diff(c, again).Lines(nil), written)
		}
		if second := Write(again, known); string(second) != string(written) {
			t.Errorf("%s is written differently the second time:\n%s", name, second)
		}
	}
}

func TestWhoIsErasedIsLeftOutAloud(t *testing.T) {
	_, c := resolved(t, small)
	c.Groups["ops"] = append(c.Groups["ops"], "erased")
	text := string(Write(c, known))
	if !strings.Contains(text, "# somebody whose address is erased") || strings.Contains(text, "erased@") {
		t.Error(text)
	}
}
