package main

import (
	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/engine"
	"github.com/curfewhq/curfew/engine/postgres"
)

// engines are the protocols that this binary speaks.
func engines() map[curfew.EngineType]engine.Engine {
	all := map[curfew.EngineType]engine.Engine{}
	for _, e := range []engine.Engine{postgres.New()} {
		all[e.Type()] = e
	}
	return all
}
