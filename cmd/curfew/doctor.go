package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/lease"
)

// lowDisk is when the doctor worries.
const lowDisk = 1 << 30

// doctor checks what only the gateway can see.
func (r *running) doctor(ctx context.Context, by curfew.Principal) []client.Finding {
	var out []client.Finding
	stepped, bootstrap := false, false
	var resources []curfew.Resource
	r.access.View(func(st *access.State) {
		stepped, bootstrap = st.ClockStepped, st.Bootstrap()
		for _, res := range st.Config.Resources {
			resources = append(resources, res)
		}
	})
	out = append(out, client.Finding{What: "genesis key", OK: true, Text: r.genesis()}, r.disk())
	if stepped {
		out = append(out, client.Finding{What: "clock", Text: "it was stepped; access by window waits", Fix: "curfew doctor --confirm-clock"})
	} else {
		out = append(out, client.Finding{What: "clock", OK: true, Text: time.Now().UTC().Format("2006-01-02 15:04:05 MST")})
	}
	if bootstrap {
		out = append(out, client.Finding{What: "administrators", OK: true, Warn: true, Text: "there are not two who have signed in: one person can change everything", Fix: "add a second one to the group administrators, and invite them"})
	}
	slices.SortFunc(resources, func(a, b curfew.Resource) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for _, res := range resources {
		out = append(out, r.examine(ctx, res, by)...)
	}
	return out
}

func (r *running) disk() client.Finding {
	var st unix.Statfs_t
	if err := unix.Statfs(r.opt.data, &st); err != nil {
		return client.Finding{What: "disk", Text: err.Error()}
	}
	free := st.Bavail * uint64(st.Bsize)
	f := client.Finding{What: "disk", OK: true, Text: fmt.Sprintf("%d MB free for %s", free>>20, r.opt.data)}
	if free < lowDisk {
		f.Warn, f.Fix = true, "make room: without it nothing is given"
	}
	return f
}

// setup is what the owner of a target runs once. Nothing is reached.
func (r *running) setup(ctx context.Context, name curfew.ResourceName) (string, error) {
	var res curfew.Resource
	var ok bool
	r.access.View(func(st *access.State) { res, ok = st.Config.Resources[name] })
	if !ok {
		return "", curfew.Errorf(curfew.NotFound, "there is no resource %.128q", name).WithFix("name it in curfew.yaml first, with its address and login: curfew plan")
	}
	installer, ok := r.gateway.Lease.KeeperFor(res).(lease.Installer)
	if !ok {
		return "", curfew.Errorf(curfew.Invalid, "%s needs no set-up: the engine %s has none", name, res.Type)
	}
	return installer.Setup(ctx)
}

// permissions are what the roles on a resource say.
func (r *running) permissions(res curfew.Resource) (out []curfew.Permission) {
	r.access.View(func(st *access.State) {
		for name, role := range st.Config.Roles {
			if p, err := st.Permission(name); err == nil && role.Covers(res) {
				out = append(out, p)
			}
		}
	})
	return out
}

// examine checks one target, by an errand that is audited.
func (r *running) examine(ctx context.Context, res curfew.Resource, by curfew.Principal) []client.Finding {
	what := "resource " + string(res.Name)
	if _, err := r.access.Audited(ctx, res.Name, "doctor", by); err != nil {
		return []client.Finding{{What: what, Text: err.Error()}}
	}
	checker, ok := r.gateway.Lease.KeeperFor(res).(lease.Checker)
	if !ok {
		return []client.Finding{{What: what, OK: true, Warn: true, Text: "its engine has nothing to check"}}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var out []client.Finding
	findings := checker.Check
	if by, ok := checker.(lease.RoleChecker); ok {
		findings = func(ctx context.Context) []lease.Finding { return by.CheckRoles(ctx, r.permissions(res)) }
	}
	for _, f := range findings(ctx) {
		out = append(out, client.Finding{What: what, OK: f.OK, Warn: f.Warn, Text: f.Text, Fix: f.Fix})
	}
	return out
}
