package mysql

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew/servers"
)

func TestTheSetupIsEnoughAndTheDoctorSaysSo(t *testing.T) {
	tg := newTarget("gate_setup", "setup")
	k := New().Keeper(tg).(*keeper)
	defer k.Close()
	script, err := k.Setup(within(t))
	must(t, err)
	must(t, maria.Exec(context.Background(), "", "CREATE OR REPLACE USER gate_setup@'%' IDENTIFIED BY '"+servers.AdminPassword+"'"))
	if found := k.Check(within(t)); len(found) < 4 || found[1].OK || !strings.Contains(found[1].Fix, "CREATE USER") {
		t.Errorf("before: %+v", found)
	}
	for _, line := range strings.Split(script, "\n") {
		if line = strings.TrimSuffix(line, ";"); line != "" && !strings.HasPrefix(line, "--") {
			must(t, maria.Exec(context.Background(), "", line))
		}
	}
	k.Close() // rights on everything count from the next log-in on
	found := k.Check(within(t))
	if len(found) != 1 || !found[0].OK {
		t.Errorf("after: %+v", found)
	}
	plan := planFor("setup", "read orders", "call two")
	made, err := k.Make(within(t), plan)
	must(t, err)
	must(t, k.Test(within(t), plan, made))
	must(t, k.Limit(within(t), plan, time.Now()))
	if residue, err := k.Remove(within(t), plan, made); err != nil || !residue.Gone {
		t.Errorf("%+v, %v", residue, err)
	}
}
