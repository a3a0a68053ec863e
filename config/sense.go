package config

import (
	"strings"

	"github.com/curfewhq/curfew"
)

// sense finds what fits the shape and means nothing: rules between keys.
func (b *book) sense(root *node) {
	for _, e := range entries(root.get("resources")) {
		b.options(e.value)
	}
	for _, e := range entries(root.get("policies")) {
		if who := e.value.get("who"); who != nil && len(values(who)) == 0 {
			b.at(who, "`who` names nobody", "name a group or people")
		}
		b.needs(e.value.get("needs"))
		b.release(e.value.get("release"))
	}
}

// release must hold something, and let go of it while a connection can still wait.
func (b *book) release(n *node) {
	if n == nil {
		return
	}
	if what := n.get("statements"); what != nil && len(values(what)) == 0 {
		b.at(what, "`statements` names none", "for example drop and delete-without-where, or leave release out")
	}
	if by := n.get("by"); by != nil && by.get("from") != nil && len(values(by.get("from"))) == 0 {
		b.at(by, "nobody may release these statements", "say from whom: a group, people, manager or peer")
	}
	if w := n.get("within"); w != nil {
		if d, ok := parseSpan(w.text); ok && d > curfew.LongestHold {
			b.at(w, "a statement cannot wait longer than an hour: its connection, and its locks, wait with it", "for example 10m")
		}
	}
}

// options must be a table, and must not say a thing twice nor hold a secret.
func (b *book) options(resource *node) {
	options := resource.get("options")
	if options == nil {
		b.secrets(resource.get("tls"))
		return
	}
	if options.kind != table {
		b.at(options, "`options` is a table of keys", "write key: value")
		return
	}
	for _, key := range []string{"database", "tls"} {
		if resource.get(key) != nil && options.get(key) != nil {
			b.at(options.get(key), "`"+key+"` is here a second time", "keep one")
		}
	}
	b.secrets(options)
	b.secrets(resource.get("tls"))
}

// secrets refuses literal secrets among an engine's options, by their key.
func (b *book) secrets(n *node) {
	if n == nil {
		return
	}
	for _, item := range n.items {
		b.secrets(item)
	}
	for _, e := range n.entries {
		if !secretKey(e.key) {
			b.secrets(e.value)
			continue
		}
		if _, err := checkLogin(e.value.text); err != nil {
			b.at(e.value, "`"+bounded(e.key)+"` is a secret, and a secret never stands in this file", "write env:NAME or file:NAME")
		}
	}
}

func secretKey(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"password", "passwd", "passphrase", "secret", "token", "private key", "private_key", "api key", "api_key"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// needs asks of every need that it is one, and of the whole that what the
// requester can bring about alone is accepted by name (THREATS 9).
func (b *book) needs(n *node) {
	if n == nil || n.kind != list {
		return
	}
	people := false
	for _, need := range n.items {
		people = people || need.get("approvals") != nil
	}
	for _, need := range n.items {
		if need.kind == table {
			b.need(need, people)
		}
	}
}

func (b *book) need(n *node, people bool) {
	var kinds []string
	for _, kind := range curfew.WorkflowKinds() {
		if n.get(string(kind)) != nil {
			kinds = append(kinds, string(kind))
		}
	}
	approvals := n.get("approvals") != nil
	switch {
	case len(kinds) == 0 && !approvals:
		b.at(n, "this need asks for nothing", "write for example incident: open, or approvals: 1")
		return
	case len(kinds) > 1 || approvals && len(kinds) > 0:
		b.at(n, "one need asks for two things", "write a dash for each")
		return
	case approvals:
		b.only(n, "approvals", "assigned to", "opened by", "accept")
		if n.get("from") == nil {
			b.at(n, "approvals from nobody", "say from whom: a group, people, manager or peer")
		}
		return
	}
	b.only(n, kinds[0], "from", "not")
	opened, accept := n.get("opened by"), n.get("accept")
	switch {
	case opened != nil && accept != nil:
		b.at(accept, "`accept` and `opened by` contradict each other", "keep one")
	case opened != nil && people:
		b.at(opened, "`opened by` cannot be asked beside approvals", "leave it out; another person agrees already")
	case opened == nil && accept == nil && !people:
		b.at(n, "no other person has a say: anybody could open a "+kinds[0]+" for themselves",
			"add opened by: someone else, or accept: self-declared, or approvals")
	}
}

// only refuses keys that mean nothing beside what the need is.
func (b *book) only(n *node, what string, others ...string) {
	for _, key := range others {
		if v := n.get(key); v != nil {
			b.at(v, "`"+key+"` means nothing beside `"+what+"`", "leave it out")
		}
	}
}
