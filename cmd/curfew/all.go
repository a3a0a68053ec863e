package main

import (
	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/engine/http"
	"github.com/curfewhq/curfew/engine/postgres"
	"github.com/curfewhq/curfew/engine/ssh"
	"github.com/curfewhq/curfew/engine/tcp"
)

// engines are the protocols that this binary speaks.
func engines(keys ssh.Keys) map[curfew.EngineType]engine.Engine {
	all := map[curfew.EngineType]engine.Engine{}
	for _, e := range []engine.Engine{postgres.New(), ssh.New(keys), http.New(), tcp.New()} {
		all[e.Type()] = e
	}
	return all
}
