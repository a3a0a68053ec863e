package config

import (
	"github.com/curfewhq/curfew"
)

// file is the shape of a whole file: the one table of keys. The parser, the
// JSON Schema and the reference are made from it.
func file() *shape {
	return &shape{form: keyed, about: "Who may have which access, when, and who must agree.", keys: []key{
		{name: "curfew", about: "The version of this format.", example: `"v1"`, must: true, shape: words("v1")},
		{name: "settings", about: "The deployment's own rules.", example: `{"settle": "24h"}`, shape: tableOf(
			key{name: "settle", about: "How old a membership or a manager must be before an approval that rests on it counts.", example: `"24h"`, shape: shape{form: span}},
		)},
		{name: "retention", about: "How long things are kept; what is not said is kept for ever.", example: `{"recordings": "90d"}`, shape: tableOf(
			key{name: "recordings", about: "How long a recording is kept after its session's end. A shorter time acts only on what is recorded from then on.", example: `"90d"`, shape: shape{form: term}},
		)},
		{name: "people", about: "People, by e-mail address.", example: `{"alice@acme.io": {"name": "Alice Moreau", "manager": "dana@acme.io"}}`, shape: names(checkEmail, emailPattern, tableOf(
			key{name: "name", about: "What the person is called.", example: `"Alice Moreau"`, shape: checked(checkDisplay, "")},
			key{name: "manager", about: "The e-mail address of the person's manager.", example: `"dana@acme.io"`, shape: checked(checkEmail, emailPattern)},
		))},
		{name: "groups", about: "Groups of people: lists of e-mail addresses.", example: `{"payments": ["alice@acme.io", "ben@acme.io"]}`, shape: names(checkGroup, namePattern,
			shape{form: listOf, of: &shape{name: checkEmail, pattern: emailPattern}})},
		{name: "resources", about: "What can be reached.", example: `{"orders-db": {"type": "postgres", "address": "orders.internal:5432"}}`, shape: names(checkName, namePattern, resourceShape())},
		{name: "roles", about: "What may be done there.", example: `{"orders/read": {"on": "orders-db", "may": ["read orders.*"], "longest": "2h"}}`, shape: names(checkName, namePattern, roleShape())},
		{name: "policies", about: "Who may ask for which role, when, and who must agree.", example: `{"read": {"who": "payments", "may have": "orders/read"}}`, shape: names(checkName, namePattern, policyShape())},
		{name: "freezes", about: "Times in which policies are closed unless they say otherwise.", example: `{"christmas": {"from": "2026-12-24T18:00:00+01:00", "to": "2026-12-27T08:00:00+01:00"}}`, shape: names(checkName, namePattern, tableOf(
			key{name: "from", about: "When it starts.", example: `"2026-12-24T18:00:00+01:00"`, must: true, shape: shape{form: instant}},
			key{name: "to", about: "When it is over.", example: `"2026-12-27T08:00:00+01:00"`, must: true, shape: shape{form: instant}},
		))},
		{name: "tests", about: "Sentences that must be true of this file.", example: `["alice can have orders/read on Tue 14:00"]`, shape: shape{form: listOf, of: &shape{name: checkTest}}},
	}}
}

func resourceShape() shape {
	return tableOf(
		key{name: "type", about: "The engine that speaks its protocol.", example: `"postgres"`, must: true, shape: checked(checkName, namePattern)},
		key{name: "address", about: "Where it is: host and port, or what the engine understands.", example: `"orders.internal:5432"`, must: true, shape: checked(checkAddress, "")},
		key{name: "login", about: "The gateway's own login, by reference; people never see it.", example: `"env:ORDERS_DB_ADMIN"`, shape: checked(checkLogin, loginPattern)},
		key{name: "account", about: "leased makes an account for each grant; fixed uses the gateway's own login.", example: `"leased"`, shape: words(string(curfew.Leased), string(curfew.Fixed))},
		key{name: "labels", about: "Labels that roles may choose by.", example: `{"env": "production"}`, shape: names(checkName, namePattern, checked(checkName, namePattern))},
		key{name: "accepts", about: "The digest of what the target gives everybody and you accept.", example: `"9f86d081884c7d65"`, shape: checked(checkDigest, "^[0-9a-f]{8,64}$")},
		key{name: "database", about: "The database, where the engine has several.", example: `"orders"`, shape: checked(checkDisplay, "")},
		key{name: "tls", about: "How the target proves who it is, in the engine's terms.", example: `"verify"`, shape: shape{form: free}},
		key{name: "host key", about: "How an SSH host proves who it is: its public key, or the key's fingerprint; several while it is changed.", example: `"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0FvSDHcbjFAAo3Am6yZJrAxZVHGcC9J1oB8xAAAAAA"`, shape: many(checked(checkDisplay, ""))},
		key{name: "options", about: "The engine's other options.", example: `{"pool": 4}`, shape: shape{form: free}},
	)
}

func roleShape() shape {
	labels := names(checkName, namePattern, checked(checkName, namePattern))
	resource := checked(checkName, namePattern)
	roles := many(checked(checkName, namePattern))
	return tableOf(
		key{name: "about", about: "What it is for, in one sentence.", example: `"Look at orders and refunds."`, shape: checked(checkDisplay, "")},
		key{name: "on", about: "The resource by name, or the labels it must have.", example: `"orders-db"`, must: true, shape: shape{form: either, options: []*shape{&resource, &labels}}},
		key{name: "may", about: "What is permitted, in the engine's grammar.", example: `["read orders.*"]`, shape: many(checked(checkLine, ""))},
		key{name: "never", about: "What is forbidden whatever else says it may.", example: `["delete"]`, shape: many(checked(checkLine, ""))},
		key{name: "includes", about: "Roles whose permissions it adds.", example: `["orders/read"]`, shape: roles},
		key{name: "excludes", about: "Roles that nobody may hold at the same time.", example: `["orders/audit"]`, shape: roles},
		key{name: "longest", about: "A grant of it never lasts longer.", example: `"2h"`, must: true, shape: shape{form: span}},
	)
}

func policyShape() shape {
	who := many(checked(checkWho, ""))
	return tableOf(
		key{name: "who", about: "Who may ask: groups and e-mail addresses.", example: `"payments"`, must: true, shape: who},
		key{name: "may have", about: "The roles they may ask for.", example: `"orders/read"`, must: true, shape: many(checked(checkName, namePattern))},
		key{name: "when", about: "The hours in which it is open.", example: `{"hours": "Mon-Fri 09:00-18:00 Europe/Paris"}`, shape: tableOf(
			key{name: "hours", about: "Weekdays, hours and a zone; one or several.", example: `"Mon-Fri 09:00-18:00 Europe/Paris"`, shape: many(checked(checkHours, ""))},
			key{name: "freezes", about: "Whether it is closed during freezes.", example: `"closed"`, shape: words("closed", "allowed")},
		)},
		key{name: "needs", about: "What must be open, and who must agree.", example: `[{"incident": "open"}, {"approvals": 1, "from": "payments"}]`, shape: shape{form: listOf, of: needShape()}},
		key{name: "at most", about: "The longest grant it gives.", example: `"45m"`, shape: shape{form: span}},
		key{name: "answer within", about: "A request nobody answers lapses after this.", example: `"30m"`, shape: shape{form: span}},
		key{name: "use within", about: "A grant nobody uses lapses after this.", example: `"8h"`, shape: shape{form: span}},
		key{name: "starts", about: "When the clock of a grant starts.", example: `"approval"`, shape: words(string(curfew.AtApproval), string(curfew.AtFirstUse))},
		key{name: "record", about: "live: queued before it is sent; first: durable before it is sent. With results, what the target answers is recorded too.", example: `"live"`,
			shape: words(string(curfew.RecordLive), string(curfew.RecordFirst), string(curfew.RecordResults), string(curfew.RecordFirstResults))},
		key{name: "risk", about: "How dangerous it is. high: a grant that was approved starts after ten seconds, in which the approval can be undone.", example: `"high"`,
			shape: words(string(curfew.LowRisk), string(curfew.MediumRisk), string(curfew.HighRisk))},
		key{name: "extensions", about: "none: a live grant is never made longer.", example: `"none"`, shape: words(string(curfew.NoExtensions))},
		key{name: "budget", about: "What may be done under a grant before it ends, over all its sessions.", example: `{"statements": 200, "rows": 10000}`, shape: tableOf(
			key{name: "statements", about: "How many statements.", example: `200`, shape: shape{form: amount}},
			key{name: "rows", about: "How many rows come back or are changed.", example: `10000`, shape: shape{form: amount}},
			key{name: "bytes", about: "How many bytes the target may answer, and copies to it may hold.", example: `10000000`, shape: shape{form: amount}},
		)},
		key{name: "release", about: "Statements that wait, unsent, until somebody else has seen and released them.", example: `{"statements": ["drop", "delete-without-where"], "by": {"approvals": 1, "from": "dba"}, "within": "10m"}`, shape: releaseShape()},
	)
}

func needShape() *shape {
	var keys []key
	for _, kind := range curfew.WorkflowKinds() {
		keys = append(keys, key{name: string(kind), about: "An open " + string(kind) + ".", example: `"open"`, shape: words("open")})
	}
	keys = append(keys,
		key{name: "assigned to", about: "Whom it must be assigned to.", example: `"requester"`, shape: words("requester")},
		key{name: "opened by", about: "Who must have opened it.", example: `"someone else"`, shape: words("someone else")},
		key{name: "accept", about: "Accept one that the requester opened.", example: `"self-declared"`, shape: words("self-declared")},
		key{name: "approvals", about: "How many people must agree.", example: `1`, shape: shape{form: whole}},
		key{name: "from", about: "Who may agree: groups, e-mail addresses, manager, peer.", example: `"payments"`, shape: many(checked(checkFrom, ""))},
		key{name: "not", about: "Said for the reader: nobody approves their own request.", example: `"requester"`, shape: words("requester")},
	)
	return &shape{form: keyed, keys: keys}
}

func releaseShape() shape {
	var classes []string
	for _, c := range curfew.StatementClasses() {
		classes = append(classes, string(c))
	}
	return tableOf(
		key{name: "statements", about: "Which kinds of statements. What cannot be seen into or classified waits with them.", example: `["drop", "delete-without-where"]`, must: true, shape: many(words(classes...))},
		key{name: "by", about: "Who must release them.", example: `{"approvals": 1, "from": "dba"}`, must: true, shape: tableOf(
			key{name: "approvals", about: "How many people must agree.", example: `1`, must: true, shape: shape{form: whole}},
			key{name: "from", about: "Who may agree: groups, e-mail addresses, manager, peer.", example: `"dba"`, must: true, shape: many(checked(checkFrom, ""))},
			key{name: "not", about: "Said for the reader: nobody releases their own statement.", example: `"requester"`, shape: words("requester")},
		)},
		key{name: "within", about: "A statement nobody releases is refused after this.", example: `"10m"`, shape: shape{form: span}},
	)
}

func words(w ...string) shape { return shape{form: word, words: w} }

func tableOf(keys ...key) shape { return shape{form: keyed, keys: keys} }

func many(of shape) shape { return shape{form: oneOrAll, of: &of} }

func checked(check func(string) (string, error), pattern string) shape {
	return shape{name: check, pattern: pattern}
}

func names(check func(string) (string, error), pattern string, of shape) shape {
	return shape{form: named, name: check, pattern: pattern, of: &of}
}
