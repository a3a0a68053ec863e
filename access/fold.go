package access

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
)

// Fold takes the next event into the state. It is pure: the same events give
// the same state, and a kind it does not know is an error, never skipped.
func (st *State) Fold(e curfew.Event) error {
	if e.Position != st.Size+1 {
		return curfew.Errorf(curfew.Corrupt, "event %d follows event %d", e.Position, st.Size)
	}
	f := folder(e.Kind)
	if f == nil {
		return curfew.Errorf(curfew.Corrupt, "event %d has the kind %q, which this version does not know", e.Position, e.Kind).
			WithFix("run the version that wrote it, or a newer one")
	}
	if err := f(st, e); err != nil {
		return curfew.Wrap(curfew.Corrupt, err, "event %d (%s)", e.Position, e.Kind)
	}
	st.Size = e.Position
	st.Now = e.Time
	return nil
}

type foldFunc func(*State, curfew.Event) error

// on decodes the body for a fold.
func on[T any](f func(*State, time.Time, T)) foldFunc {
	return func(st *State, e curfew.Event) error {
		var b T
		if err := json.Unmarshal(e.Body, &b); err != nil {
			return err
		}
		f(st, e.Time, b)
		return nil
	}
}

// nothing is for events that the state does not remember.
func nothing(*State, curfew.Event) error { return nil }

func folder(k curfew.Kind) foldFunc {
	for _, family := range []func(curfew.Kind) foldFunc{foldDeployment, foldPeople, foldPasskeys, foldConfig, foldRequests, foldGrants, foldStatements, foldLeases, foldRecordings} {
		if f := family(k); f != nil {
			return f
		}
	}
	return nil
}

func foldDeployment(k curfew.Kind) foldFunc {
	switch k {
	case curfew.KindDeploymentCreated:
		return on(func(st *State, _ time.Time, b curfew.DeploymentCreated) {
			st.Deployment, st.Genesis = b.Deployment, b.Key
		})
	case curfew.KindNodeAdmitted, curfew.KindSnapshotTaken, curfew.KindRecordingsAnchored,
		curfew.KindRecordingWatched, curfew.KindRecordingsSearched, curfew.KindRecordingExported, curfew.KindErrandRun, curfew.KindSessionRefused, curfew.KindRefusalsCounted:
		return nothing
	case curfew.KindLedgerRestored:
		return on(func(st *State, _ time.Time, b curfew.LedgerRestored) {
			st.Restored, st.Confirmed = b.How == curfew.TakeOver, nil // what begins anew has nothing that could come back
		})
	case curfew.KindRestoreConfirmed:
		return on(func(st *State, _ time.Time, b curfew.RestoreConfirmed) {
			st.Confirmed = append(st.Confirmed, b.By)
			need := 2
			if st.Bootstrap() {
				need = 1
			}
			if len(st.Confirmed) >= need {
				st.Restored, st.Confirmed = false, nil
			}
		})
	case curfew.KindClockStepped:
		return on(func(st *State, _ time.Time, _ curfew.ClockStepped) { st.ClockStepped = true })
	case curfew.KindClockConfirmed:
		return on(func(st *State, _ time.Time, _ curfew.ClockConfirmed) { st.ClockStepped = false })
	}
	return nil
}

func foldPeople(k curfew.Kind) foldFunc {
	switch k {
	case curfew.KindPrincipalAdded:
		return on(func(st *State, at time.Time, b curfew.PrincipalAdded) {
			st.People[b.Principal] = &Person{ID: b.Principal, Kind: b.Kind, Name: b.Name, Email: b.Email, EmailTag: b.EmailTag, Enabled: true, Added: at}
		})
	case curfew.KindPrincipalJoined:
		return person(func(p *Person) { p.Joined = true })
	case curfew.KindPrincipalDisabled:
		return person(func(p *Person) { p.Enabled = false; p.Generation++ })
	case curfew.KindPrincipalEnabled:
		return person(func(p *Person) { p.Enabled = true })
	case curfew.KindPrincipalSignedOut:
		return person(func(p *Person) { p.Generation++ })
	case curfew.KindPassphraseSet:
		return on(func(st *State, _ time.Time, b curfew.SecretListed) {
			st.Passphrases[b.Principal] = Listed{Principal: b.Principal, Digest: b.Digest, Until: b.Until, Name: b.ID}
		})
	case curfew.KindTokenIssued:
		return on(func(st *State, at time.Time, b curfew.SecretListed) {
			list(st.Tokens, at, b)
		})
	case curfew.KindTokenWithdrawn:
		return on(func(st *State, _ time.Time, b curfew.SecretUnlisted) { delete(st.Tokens, b.ID) })
	case curfew.KindLinkIssued:
		return on(func(st *State, at time.Time, b curfew.SecretListed) { list(st.Links, at, b) })
	case curfew.KindLinkUsed:
		return on(func(st *State, _ time.Time, b curfew.SecretUnlisted) { delete(st.Links, b.ID) })
	}
	return nil
}

// list adds a row and drops those whose time is over, so that neither grows for ever.
func list(rows map[string]Listed, at time.Time, b curfew.SecretListed) {
	for id, l := range rows {
		if !l.Until.IsZero() && l.Until.Before(at) {
			delete(rows, id)
		}
	}
	rows[b.ID] = Listed{Principal: b.Principal, Digest: b.Digest, Until: b.Until}
}

func person(f func(*Person)) foldFunc {
	return on(func(st *State, _ time.Time, b curfew.PrincipalActed) {
		if p := st.People[b.Principal]; p != nil {
			f(p)
			if !p.Enabled {
				for id, l := range st.Tokens {
					if l.Principal == p.ID {
						delete(st.Tokens, id)
					}
				}
			}
		}
	})
}

func foldRequests(k curfew.Kind) foldFunc {
	switch k {
	case curfew.KindRequestAsked:
		return hashed(func(st *State, at time.Time, hash []byte, b curfew.RequestAsked) {
			st.Requests[b.Request] = &Request{RequestAsked: b, At: at, Hash: hash}
			st.askedBy(b, at)
		})
	case curfew.KindRequestApproved:
		return on(func(st *State, at time.Time, b curfew.RequestActed) {
			if r := st.Requests[b.Request]; r != nil {
				r.Votes = append(r.Votes, Vote{By: b.By, At: at, For: b.For, Touched: b.Touch != nil})
			}
		})
	case curfew.KindRequestDenied, curfew.KindRequestWithdrawn, curfew.KindRequestLapsed, curfew.KindRequestVoided:
		return on(func(st *State, at time.Time, b curfew.RequestActed) {
			st.answered(b.Request, b.Cause, at)
			delete(st.Requests, b.Request)
		})
	case curfew.KindWorkflowOpened:
		return on(func(st *State, _ time.Time, b curfew.WorkflowChanged) { w := b.Workflow; st.Workflows[w.ID] = &w })
	case curfew.KindWorkflowClosed:
		// A closed workflow leaves the state: unknown means closed.
		return on(func(st *State, _ time.Time, b curfew.WorkflowChanged) { delete(st.Workflows, b.Workflow.ID) })
	}
	return nil
}

func foldGrants(k curfew.Kind) foldFunc {
	switch k {
	case curfew.KindGrantApproved:
		return on(foldGrantApproved)
	case curfew.KindGrantStarted:
		return on(func(st *State, at time.Time, b curfew.GrantStarted) {
			if g := st.Grants[b.Grant]; g != nil && g.Status == Scheduled {
				g.Status, g.Start, g.End, g.EndCause, g.Bound, g.Tested = Active, at, b.End, b.EndCause, b.Bound, b.Tested
			}
		})
	case curfew.KindGrantExtended, curfew.KindGrantShortened:
		return on(func(st *State, _ time.Time, b curfew.GrantMoved) {
			if g := st.Grants[b.Grant]; g != nil && g.Status == Active {
				g.End, g.EndCause = b.End, b.EndCause
			}
			delete(st.Requests, b.Request)
		})
	case curfew.KindGrantEnded:
		return on(foldGrantEnded)
	case curfew.KindGrantVerified:
		return on(func(st *State, _ time.Time, b curfew.GrantVerified) {
			if g := st.Grants[b.Grant]; g != nil {
				g.Status = Gone
				st.forget(g)
			}
		})
	case curfew.KindSessionOpened:
		return on(foldSessionOpened)
	case curfew.KindSessionCut:
		return nothing
	case curfew.KindSessionEnded:
		return on(func(st *State, _ time.Time, b curfew.SessionEnded) {
			if s := st.Sessions[b.Session]; s != nil {
				if g := st.Grants[s.Grant]; g != nil && g.Budget.Some() {
					g.Spent.Statements += b.Spent.Statements
					g.Spent.Rows += b.Spent.Rows
					g.Spent.Bytes += b.Spent.Bytes
				}
			}
			delete(st.Sessions, b.Session)
		})
	}
	return nil
}

func foldGrantApproved(st *State, at time.Time, b curfew.GrantApproved) {
	g := st.approvedGrant(at, b)
	st.Grants[g.ID] = g
	st.hold(g)
	delete(st.Requests, b.Request)
}

func (st *State) approvedGrant(at time.Time, b curfew.GrantApproved) *Grant {
	return &Grant{
		ID: b.Grant, Request: b.Request, Principal: b.Principal, Role: b.Role, Resource: b.Resource, Policy: b.Policy,
		Workflow: b.Workflow, Record: b.Record, Starts: b.Starts, Duration: b.Duration, NotBefore: b.Start, UseBy: b.UseBy,
		Approved: at, By: b.By, Budget: b.Budget, Release: b.Release, Status: Scheduled, RoleVersion: b.RoleVersion, ResourceVersion: b.ResourceVersion,
		Leased: st.Config.Resources[b.Resource].Account == curfew.Leased,
	}
}

func foldGrantEnded(st *State, at time.Time, b curfew.GrantEnded) {
	g := st.Grants[b.Grant]
	if g == nil || !g.Live() {
		return
	}
	g.Status, g.Cause, g.EndedBy, g.EndedAt = Over, b.Cause, b.By, at
	if l := st.leaseOf[g.ID]; l != nil {
		l.Ended = at
		return
	}
	st.forget(g)
}

func foldSessionOpened(st *State, at time.Time, b curfew.SessionOpened) {
	st.Sessions[b.Session] = &Session{ID: b.Session, Grant: b.Grant, Principal: b.Principal, Resource: b.Resource, Opened: at, Client: b.Client, Program: b.Program}
	if g := st.Grants[b.Grant]; g != nil {
		g.Sessions++
	}
	for id, until := range st.Used {
		if until.Before(at) {
			delete(st.Used, id)
		}
	}
	if _, asked := st.Asked[b.Credential]; b.CredentialAsks && !asked {
		st.Asked[b.Credential] = Asked{Until: b.CredentialUntil}
	}
	if b.CredentialOnce {
		st.Used[b.Credential] = b.CredentialUntil
	}
}

func foldLeases(k curfew.Kind) foldFunc {
	switch k {
	case curfew.KindLeasePlanned:
		return on(func(st *State, _ time.Time, b curfew.LeasePlanned) {
			l := &Lease{LeasePlanned: b}
			if g := st.Grants[b.Grant]; g == nil || !g.Live() {
				l.Ended = st.Now
			}
			st.Leases[b.Lease], st.leaseOf[b.Grant] = l, l
		})
	case curfew.KindLeaseMade:
		return on(func(st *State, _ time.Time, b curfew.LeaseMade) {
			if l := st.Leases[b.Lease]; l != nil {
				l.Made, l.Refused = &b, ""
			}
		})
	case curfew.KindLeaseRefused:
		return trouble(func(l *Lease, what string) { l.Refused = what })
	case curfew.KindLeaseStuck:
		return trouble(func(l *Lease, what string) { l.Stuck = what })
	case curfew.KindLeaseUsedOutside:
		return trouble(func(*Lease, string) {})
	case curfew.KindLeaseVerified:
		return on(func(st *State, _ time.Time, b curfew.LeaseVerified) {
			if l := st.Leases[b.Lease]; l != nil {
				delete(st.Leases, b.Lease)
				delete(st.leaseOf, l.Grant)
			}
		})
	}
	return nil
}

func trouble(f func(*Lease, string)) foldFunc {
	return on(func(st *State, _ time.Time, b curfew.LeaseTrouble) {
		if l := st.Leases[b.Lease]; l != nil {
			f(l, b.What)
		}
	})
}

func foldConfig(k curfew.Kind) foldFunc {
	f := foldConfigKind(k)
	if f == nil {
		return nil
	}
	return func(st *State, e curfew.Event) error {
		st.compiled = nil
		return f(st, e)
	}
}

func foldConfigKind(k curfew.Kind) foldFunc {
	switch k {
	case curfew.KindPlanProposed:
		return hashed(func(st *State, at time.Time, hash []byte, b curfew.PlanProposed) {
			st.Plans[b.Plan] = &Proposal{b, at, hash}
		})
	case curfew.KindPlanAgreed:
		return nothing
	case curfew.KindPlanDropped:
		return on(func(st *State, _ time.Time, b curfew.PlanActed) { delete(st.Plans, b.Plan) })
	case curfew.KindConfigApplied:
		return on(func(st *State, _ time.Time, b curfew.ConfigApplied) {
			// Every other plan was made against a configuration that is no longer there.
			clear(st.Plans)
			st.Version = b.Version
		})
	case curfew.KindSettingsChanged:
		return on(func(st *State, _ time.Time, b curfew.SettingsChanged) { st.Config.Settings = b.Settings })
	case curfew.KindRetentionChanged:
		return on(foldRetentionChanged)
	case curfew.KindGroupChanged:
		return on(foldGroupChanged)
	case curfew.KindManagerChanged:
		return on(func(st *State, at time.Time, b curfew.ManagerChanged) {
			delete(st.Config.Managers, b.Principal)
			delete(st.Managed, b.Principal)
			if b.Manager != "" {
				st.Config.Managers[b.Principal] = b.Manager
				st.Managed[b.Principal] = settled(at, b.Settled)
			}
		})
	case curfew.KindResourceChanged:
		return on(func(st *State, _ time.Time, b curfew.ResourceChanged) {
			st.Config.Resources[b.Resource.Name] = b.Resource
		})
	case curfew.KindResourceRemoved:
		return on(func(st *State, _ time.Time, b curfew.Removed) {
			delete(st.Config.Resources, curfew.ResourceName(b.Name))
		})
	case curfew.KindRoleChanged:
		return on(func(st *State, _ time.Time, b curfew.RoleChanged) { st.Config.Roles[b.Role.Name] = b.Role })
	case curfew.KindRoleRemoved:
		return on(func(st *State, _ time.Time, b curfew.Removed) { delete(st.Config.Roles, curfew.RoleName(b.Name)) })
	case curfew.KindPolicyChanged:
		return on(func(st *State, _ time.Time, b curfew.PolicyChanged) { st.Config.Policies[b.Policy.Name] = b.Policy })
	case curfew.KindPolicyRemoved:
		return on(func(st *State, _ time.Time, b curfew.Removed) { delete(st.Config.Policies, curfew.PolicyName(b.Name)) })
	case curfew.KindFreezeChanged:
		return on(func(st *State, _ time.Time, b curfew.FreezeChanged) { st.Config.Freezes[b.Freeze.Name] = b.Freeze })
	case curfew.KindFreezeRemoved:
		return on(func(st *State, _ time.Time, b curfew.Removed) { delete(st.Config.Freezes, b.Name) })
	}
	return nil
}

func foldGroupChanged(st *State, at time.Time, b curfew.GroupChanged) {
	members := st.Since[b.Group]
	if members == nil {
		members = map[curfew.Principal]time.Time{}
		st.Since[b.Group] = members
	}
	for _, p := range b.Removed {
		delete(members, p)
	}
	for _, p := range b.Added {
		if _, ok := members[p]; !ok {
			members[p] = settled(at, b.Settled)
		}
	}
	list := make([]curfew.Principal, 0, len(members))
	for p := range members {
		list = append(list, p)
	}
	slices.Sort(list)
	st.Config.Groups[b.Group] = list
	if len(list) == 0 {
		delete(st.Config.Groups, b.Group)
		delete(st.Since, b.Group)
	}
}

// settled is the zero time for a relation that counts at once.
func settled(at time.Time, atOnce bool) time.Time {
	if atOnce {
		return time.Time{}
	}
	return at
}
