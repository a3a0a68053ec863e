package curfew

import "time"

// The kinds of event. Append-only; see Kind.
const (
	KindDeploymentCreated Kind = "deployment.created"
	KindNodeAdmitted      Kind = "node.admitted"
	KindLedgerRestored    Kind = "ledger.restored"
	KindRestoreConfirmed  Kind = "restore.confirmed"
	KindSnapshotTaken     Kind = "snapshot.taken"
	KindClockStepped      Kind = "clock.stepped"
	KindClockConfirmed    Kind = "clock.confirmed"

	KindPrincipalAdded     Kind = "principal.added"
	KindPrincipalJoined    Kind = "principal.joined"
	KindPrincipalDisabled  Kind = "principal.disabled"
	KindPrincipalEnabled   Kind = "principal.enabled"
	KindPrincipalSignedOut Kind = "principal.signed_out"
	KindPassphraseSet      Kind = "passphrase.set"
	KindPasskeyAdded       Kind = "passkey.added"
	KindPasskeyRemoved     Kind = "passkey.removed"
	KindTokenIssued        Kind = "token.issued"
	KindTokenWithdrawn     Kind = "token.withdrawn"
	KindLinkIssued         Kind = "link.issued"
	KindLinkUsed           Kind = "link.used"

	KindPlanProposed    Kind = "plan.proposed"
	KindPlanAgreed      Kind = "plan.agreed"
	KindPlanDropped     Kind = "plan.dropped"
	KindConfigApplied   Kind = "config.applied"
	KindSettingsChanged Kind = "settings.changed"
	KindGroupChanged    Kind = "group.changed"
	KindManagerChanged  Kind = "manager.changed"
	KindResourceChanged Kind = "resource.changed"
	KindResourceRemoved Kind = "resource.removed"
	KindRoleChanged     Kind = "role.changed"
	KindRoleRemoved     Kind = "role.removed"
	KindPolicyChanged   Kind = "policy.changed"
	KindPolicyRemoved   Kind = "policy.removed"
	KindFreezeChanged   Kind = "freeze.changed"
	KindFreezeRemoved   Kind = "freeze.removed"
	// KindRetentionChanged says how long recordings are kept from then on.
	KindRetentionChanged Kind = "retention.changed"

	KindWorkflowOpened Kind = "workflow.opened"
	KindWorkflowClosed Kind = "workflow.closed"

	KindRequestAsked     Kind = "request.asked"
	KindRequestApproved  Kind = "request.approved"
	KindRequestDenied    Kind = "request.denied"
	KindRequestWithdrawn Kind = "request.withdrawn"
	KindRequestLapsed    Kind = "request.lapsed"
	KindRequestVoided    Kind = "request.voided"

	KindGrantApproved  Kind = "grant.approved"
	KindGrantStarted   Kind = "grant.started"
	KindGrantExtended  Kind = "grant.extended"
	KindGrantShortened Kind = "grant.shortened"
	KindGrantEnded     Kind = "grant.ended"
	KindGrantVerified  Kind = "grant.verified"

	KindStatementHeld     Kind = "statement.held"
	KindStatementApproved Kind = "statement.approved"
	KindStatementReleased Kind = "statement.released"
	KindStatementRefused  Kind = "statement.refused"

	KindSessionOpened   Kind = "session.opened"
	KindSessionCut      Kind = "session.cut"
	KindSessionEnded    Kind = "session.ended"
	KindSessionRefused  Kind = "session.refused"
	KindRefusalsCounted Kind = "refusals.counted"

	KindLeasePlanned     Kind = "lease.planned"
	KindLeaseMade        Kind = "lease.made"
	KindLeaseRefused     Kind = "lease.refused"
	KindLeaseUsedOutside Kind = "lease.used_outside"
	KindLeaseStuck       Kind = "lease.stuck"
	KindLeaseVerified    Kind = "lease.verified"

	KindRecordingsAnchored Kind = "recordings.anchored"
	KindRecordingWatched   Kind = "recording.watched"
	KindRecordingsSearched Kind = "recordings.searched"
	KindRecordingExported  Kind = "recording.exported"
	KindRecordingHeld      Kind = "recording.held"
	KindRecordingReleased  Kind = "recording.released"
	KindRecordingRemoved   Kind = "recording.removed"
	KindErrandRun          Kind = "errand.run"
)

// The ways of a restore, as LedgerRestored says them.
const (
	TakeOver = "take over" // the same deployment goes on from an older ledger
	Copy     = "copy"      // another deployment begins with the people and the rules
	NewKey   = "new key"   // another deployment begins, because this one's node is lost
)

// Sealed is text that is somebody's personal data, encrypted under that
// person's own key; destroying the key erases it everywhere.
type Sealed []byte

// Bodies of the events, one type a kind or a family of kinds. Fields are only
// added, never changed.
type (
	// DeploymentCreated is the first event of every ledger.
	DeploymentCreated struct {
		Deployment string `json:"deployment"`
		Key        []byte `json:"key"` // Ed25519 public key of the first node
	}
	// NodeAdmitted lets another key sign heads.
	NodeAdmitted struct {
		Node string    `json:"node"`
		Key  []byte    `json:"key"`
		By   Principal `json:"by,omitempty"`
	}
	// LedgerRestored is the lawful way back to an older ledger, or on from one that
	// is left: then Head is the last one of that ledger, and nothing is lost here.
	LedgerRestored struct {
		LostFrom uint64 `json:"lost_from"`
		LostTo   uint64 `json:"lost_to"` // 0: unknown
		Head     []byte `json:"head,omitempty"`
		How      string `json:"how"` // "take over", "copy" or "new key"
	}
	// RestoreConfirmed is an administrator's word that a restored ledger is the
	// right one; two of them open it again.
	RestoreConfirmed struct {
		By Principal `json:"by"`
	}
	// SnapshotTaken names a fold of the first Size events.
	SnapshotTaken struct {
		Size    uint64 `json:"size"`
		Version int    `json:"version"`
		Hash    []byte `json:"hash"`
	}
	// ClockStepped closes admission by window until ClockConfirmed.
	ClockStepped struct {
		By time.Duration `json:"by"`
	}
	// ClockConfirmed opens it again.
	ClockConfirmed struct {
		By Principal `json:"by"`
	}

	// PrincipalAdded makes a principal known. Name and Email are sealed for them.
	PrincipalAdded struct {
		Principal Principal     `json:"principal"`
		Kind      PrincipalKind `json:"kind"`
		Name      Sealed        `json:"name,omitempty"`
		Email     Sealed        `json:"email,omitempty"`
		EmailTag  []byte        `json:"email_tag,omitempty"` // keyed digest, so that twins are found without the text
		By        Principal     `json:"by,omitempty"`
	}
	// PrincipalActed is a principal's joining, disabling, enabling or signing out everywhere.
	PrincipalActed struct {
		Principal Principal `json:"principal"`
		By        Principal `json:"by,omitempty"`
	}
	// SecretListed makes the shelf row with this digest current: a passphrase, token or link.
	SecretListed struct {
		ID        string    `json:"id"`
		Principal Principal `json:"principal"`
		Digest    []byte    `json:"digest"`
		Until     time.Time `json:"until,omitzero"`
		By        Principal `json:"by,omitempty"`
	}
	// SecretUnlisted makes a shelf row worthless.
	SecretUnlisted struct {
		ID string    `json:"id"`
		By Principal `json:"by,omitempty"`
	}

	// PasskeyAdded gives a person a key that decides. Every further one was agreed to by
	// the touch of one that they had.
	PasskeyAdded struct {
		Passkey Passkey `json:"passkey"`
		Touch   *Touch  `json:"touch,omitempty"` // nil: their first
	}
	// PasskeyRemoved takes it away, by the touch of one that the person has.
	PasskeyRemoved struct {
		ID        []byte    `json:"id"`
		Principal Principal `json:"principal"`
		Touch     *Touch    `json:"touch"`
	}

	// PlanProposed is a change of configuration that waits for a second person.
	PlanProposed struct {
		Plan    PlanID      `json:"plan"`
		Author  Principal   `json:"author"`
		Base    string      `json:"base"` // version of the configuration it was planned against
		Lines   []string    `json:"lines"`
		Gains   []string    `json:"gains,omitempty"`
		Gainers []Principal `json:"gainers,omitempty"`
		Config  Config      `json:"config"`
	}
	// PlanActed is agreement to a plan, or its being dropped.
	PlanActed struct {
		Plan PlanID    `json:"plan"`
		By   Principal `json:"by,omitempty"`
		Why  string    `json:"why,omitempty"`
		// Touch is by what they decided, where they have a passkey; else, by a passphrase.
		Touch *Touch `json:"touch,omitempty"`
	}
	// ConfigApplied heads the changes that follow it in the same batch.
	ConfigApplied struct {
		Plan      PlanID    `json:"plan"`
		Author    Principal `json:"author"`
		Agreed    Principal `json:"agreed,omitempty"`
		Bootstrap bool      `json:"bootstrap,omitempty"` // applied by one person, because there were not two administrators yet
		Gains     bool      `json:"gains,omitempty"`
		Version   string    `json:"version"`
	}
	// SettingsChanged replaces the settings.
	SettingsChanged struct {
		Settings Settings `json:"settings"`
	}
	// RetentionChanged replaces the retention.
	RetentionChanged struct {
		Retention Retention `json:"retention"`
	}
	// GroupChanged adds and removes members.
	GroupChanged struct {
		Group   GroupName   `json:"group"`
		Added   []Principal `json:"added,omitempty"`
		Removed []Principal `json:"removed,omitempty"`
		Settled bool        `json:"settled,omitempty"` // counts at once (before there were two administrators)
	}
	// ManagerChanged names a person's manager; empty: none.
	ManagerChanged struct {
		Principal Principal `json:"principal"`
		Manager   Principal `json:"manager,omitempty"`
		Settled   bool      `json:"settled,omitempty"`
	}
	// ResourceChanged, RoleChanged, PolicyChanged and FreezeChanged replace one thing.
	ResourceChanged struct {
		Resource Resource `json:"resource"`
	}
	// RoleChanged replaces a role.
	RoleChanged struct {
		Role Role `json:"role"`
	}
	// PolicyChanged replaces a policy.
	PolicyChanged struct {
		Policy Policy `json:"policy"`
	}
	// FreezeChanged replaces a freeze.
	FreezeChanged struct {
		Freeze Freeze `json:"freeze"`
	}
	// Removed removes a resource, role, policy or freeze by name.
	Removed struct {
		Name string `json:"name"`
	}

	// WorkflowChanged is a workflow's state as its source says it.
	WorkflowChanged struct {
		Workflow Workflow  `json:"workflow"`
		By       Principal `json:"by,omitempty"` // who said so; empty: nobody known
	}

	// RequestAsked is a question, with everything an approval is for.
	RequestAsked struct {
		Request   RequestID     `json:"request"`
		Principal Principal     `json:"principal"`
		Role      RoleName      `json:"role"`
		Resource  ResourceName  `json:"resource"`
		Duration  time.Duration `json:"duration"`
		Start     time.Time     `json:"start,omitzero"`
		Reason    Sealed        `json:"reason"`
		Workflow  WorkflowID    `json:"workflow,omitempty"`
		Policy    PolicyName    `json:"policy"`
		Extends   GrantID       `json:"extends,omitempty"`
		Lapses    time.Time     `json:"lapses"`
		// Versions of what was asked for; a change of one voids the request.
		RoleVersion     string         `json:"role_version"`
		PolicyVersion   string         `json:"policy_version"`
		ResourceVersion string         `json:"resource_version"`
		Needs           []ApprovalNeed `json:"needs,omitempty"`
		Checks          []string       `json:"checks,omitempty"` // what the policy saw, one line each
		Digest          []byte         `json:"digest"`           // of the canonical record of all this
		// Credential is what a connection that waits for the answer came with; empty: a
		// person asked. CredentialUntil is its end.
		Credential      CredentialID `json:"credential,omitempty"`
		CredentialUntil time.Time    `json:"credential_until,omitzero"`
	}
	// RequestActed is an approval, a denial, or the end of a request.
	RequestActed struct {
		Request RequestID     `json:"request"`
		By      Principal     `json:"by,omitempty"`
		For     time.Duration `json:"for,omitempty"`    // approved for less
		Digest  []byte        `json:"digest,omitempty"` // of the request that was shown
		Why     Sealed        `json:"why,omitempty"`
		Cause   Cause         `json:"cause,omitempty"`
		Touch   *Touch        `json:"touch,omitempty"` // as in PlanActed
	}

	// GrantApproved makes a grant whose clock has not started.
	GrantApproved struct {
		Grant     GrantID       `json:"grant"`
		Request   RequestID     `json:"request"`
		Principal Principal     `json:"principal"`
		Role      RoleName      `json:"role"`
		Resource  ResourceName  `json:"resource"`
		Policy    PolicyName    `json:"policy"`
		Workflow  WorkflowID    `json:"workflow,omitempty"`
		Duration  time.Duration `json:"duration"`
		Start     time.Time     `json:"start,omitzero"` // not before
		UseBy     time.Time     `json:"use_by"`
		Starts    StartRule     `json:"starts"`
		Record    RecordMode    `json:"record"`
		By        []Principal   `json:"by,omitempty"`
		Budget    Budget        `json:"budget,omitzero"`
		Release   Release       `json:"release,omitzero"`
		// Versions of the role and the resource that were approved.
		RoleVersion     string `json:"role_version"`
		ResourceVersion string `json:"resource_version"`
	}
	// GrantStarted starts a grant's clock.
	GrantStarted struct {
		Grant    GrantID   `json:"grant"`
		End      time.Time `json:"end"`
		EndCause Cause     `json:"end_cause"`       // what ends it then: its time, or its window
		Bound    string    `json:"bound,omitempty"` // the arithmetic, in words
		Tested   bool      `json:"tested"`          // a test connection went through first
	}
	// GrantMoved is a new end: later by a decision, or earlier.
	GrantMoved struct {
		Grant    GrantID   `json:"grant"`
		End      time.Time `json:"end"`
		EndCause Cause     `json:"end_cause"`
		Request  RequestID `json:"request,omitempty"`
		By       Principal `json:"by,omitempty"`
	}
	// GrantEnded ends a grant, for ever.
	GrantEnded struct {
		Grant GrantID   `json:"grant"`
		Cause Cause     `json:"cause"`
		By    Principal `json:"by,omitempty"`
		Why   Sealed    `json:"why,omitempty"`
	}
	// GrantVerified says that nothing of it is left at the target.
	GrantVerified struct {
		Grant GrantID `json:"grant"`
	}

	// SessionOpened lets one connection in.
	SessionOpened struct {
		Session         SessionID    `json:"session"`
		Grant           GrantID      `json:"grant"`
		Principal       Principal    `json:"principal"`
		Resource        ResourceName `json:"resource"`
		Credential      CredentialID `json:"credential,omitempty"`
		CredentialOnce  bool         `json:"credential_once,omitempty"`
		CredentialUntil time.Time    `json:"credential_until,omitzero"`
		CredentialAsks  bool         `json:"credential_asks,omitempty"` // it could have asked, and never will again
		Client          string       `json:"client,omitempty"`
		Program         string       `json:"program,omitempty"`
	}
	// SessionCut is a person's decision to end one session now.
	SessionCut struct {
		Session SessionID `json:"session"`
		By      Principal `json:"by"`
		Why     Sealed    `json:"why,omitempty"`
	}
	// SessionEnded is what a session came to.
	SessionEnded struct {
		Session    SessionID     `json:"session"`
		Cause      Cause         `json:"cause"`
		Statements int64         `json:"statements,omitempty"`
		Refused    int64         `json:"refused,omitempty"`
		Rows       int64         `json:"rows,omitempty"`
		Bytes      int64         `json:"bytes,omitempty"`
		Spent      Budget        `json:"spent,omitzero"` // of the grant's budget, if it has one
		Terminated bool          `json:"terminated"`
		CutTook    time.Duration `json:"cut_took,omitempty"`
	}
	// SessionRefused is a connection that was not let in.
	SessionRefused struct {
		Principal Principal    `json:"principal,omitempty"`
		Resource  ResourceName `json:"resource,omitempty"`
		Client    string       `json:"client,omitempty"`
		Rule      string       `json:"rule"`
	}
	// RefusalsCounted sums up repeats of one refusal.
	RefusalsCounted struct {
		SessionRefused
		Times int       `json:"times"`
		Since time.Time `json:"since"`
	}

	// StatementHeld is a statement that waits in its session for somebody's release.
	// What it says is in the session's recording; Digest commits to it, with a salt.
	StatementHeld struct {
		Statement StatementID      `json:"statement"`
		Session   SessionID        `json:"session"`
		Grant     GrantID          `json:"grant"`
		Principal Principal        `json:"principal"`
		Resource  ResourceName     `json:"resource"`
		Classes   []StatementClass `json:"classes"`
		Digest    []byte           `json:"digest"`
		By        ApprovalNeed     `json:"by"` // who must release it
		Lapses    time.Time        `json:"lapses"`
	}
	// StatementActed is an approval of a held statement, its release, or its end. A
	// release lets exactly that one go on, once.
	StatementActed struct {
		Statement StatementID `json:"statement"`
		Session   SessionID   `json:"session"`
		By        Principal   `json:"by,omitempty"`
		All       []Principal `json:"all,omitempty"`    // of a release: everybody who counted
		Digest    []byte      `json:"digest,omitempty"` // of what was shown
		Why       Sealed      `json:"why,omitempty"`
		Cause     Cause       `json:"cause,omitempty"`
		Touch     *Touch      `json:"touch,omitempty"` // as in PlanActed
	}

	// LeasePlanned writes an account down before it is made.
	LeasePlanned struct {
		Lease      LeaseID      `json:"lease"`
		Grant      GrantID      `json:"grant"`
		Resource   ResourceName `json:"resource"`
		Account    string       `json:"account"`
		Permission Permission   `json:"permission"`
		Until      time.Time    `json:"until"`
		// Target is the resource as it was: removal needs it after the resource has changed.
		Target Resource `json:"target"`
	}
	// LeaseMade is what the target said.
	LeaseMade struct {
		Lease   LeaseID  `json:"lease"`
		ID      string   `json:"id"`
		Group   string   `json:"group,omitempty"`
		Exceeds []string `json:"exceeds,omitempty"`
		Digest  string   `json:"digest,omitempty"`
	}
	// LeaseTrouble is a lease that could not be made, is used past the gateway, or cannot be removed yet.
	LeaseTrouble struct {
		Lease LeaseID  `json:"lease"`
		What  string   `json:"what"` // never contains a secret
		Lines []string `json:"lines,omitempty"`
	}
	// LeaseVerified says what was removed and seen to be gone.
	LeaseVerified struct {
		Lease    LeaseID       `json:"lease"`
		Kept     []string      `json:"kept,omitempty"`
		Ended    int           `json:"ended,omitempty"`
		Prepared int           `json:"prepared,omitempty"`
		Notes    []string      `json:"notes,omitempty"` // how far it was looked, and what else was seen
		Took     time.Duration `json:"took"`            // from the grant's end to being seen gone
	}

	// RecordingsAnchored commits to what all recordings of a node hold so far.
	RecordingsAnchored struct {
		Heads map[SessionID][]byte `json:"heads"`
	}
	// RecordingWatched says who looked at a recording, and how.
	RecordingWatched struct {
		Session SessionID `json:"session"`
		By      Principal `json:"by"`
		How     string    `json:"how"` // "watch", "transcript"
	}
	// RecordingsSearched says who searched recordings, how narrowly, and what was
	// shown to them. The words are not here: they may be a secret themselves.
	RecordingsSearched struct {
		By       Principal    `json:"by"`
		Words    int          `json:"words"` // how many
		Person   Principal    `json:"person,omitempty"`
		Resource ResourceName `json:"resource,omitempty"`
		Since    time.Time    `json:"since,omitzero"`
		Until    time.Time    `json:"until,omitzero"`
		Looked   int          `json:"looked"` // sessions whose words were looked at
		Shown    []SessionID  `json:"shown,omitempty"`
	}
	// RecordingExported says who took a recording away, and commits to what they took.
	RecordingExported struct {
		Session SessionID `json:"session"`
		By      Principal `json:"by"`
		// Shapes: without values, because the exporter may not see them.
		Shapes bool   `json:"shapes,omitempty"`
		Head   []byte `json:"head"` // of the recording's chain, after Chunks chunks
		Chunks int    `json:"chunks"`
		Items  int    `json:"items"`
		Digest []byte `json:"digest"`         // SHA-256 of the items' lines as they were exported
		Open   bool   `json:"open,omitempty"` // the session was not over
		// Events are the positions of the events that were exported with it, in order;
		// this one, which follows them, is not among them.
		Events []uint64 `json:"events"`
	}
	// RecordingActed is a hold on a recording, or the release of one.
	RecordingActed struct {
		Session SessionID `json:"session"`
		Whose   Principal `json:"whose"` // the person of the session
		By      Principal `json:"by"`
		Of      Principal `json:"of,omitempty"` // of a release: whose hold
		Why     Sealed    `json:"why,omitempty"`
	}
	// RecordingRemoved says that a recording and its key are gone, and why. Head
	// stays as a commitment to what it held.
	RecordingRemoved struct {
		Session SessionID     `json:"session"`
		Ended   time.Time     `json:"ended"` // of the session
		Kept    time.Duration `json:"kept"`  // the retention that applied
		Head    []byte        `json:"head"`
		Chunks  int           `json:"chunks"`
		Fault   string        `json:"fault,omitempty"` // what was wrong with it already
	}
	// ErrandRun is a connection to a target that no session made.
	ErrandRun struct {
		Resource ResourceName `json:"resource"`
		What     string       `json:"what"`
		By       Principal    `json:"by,omitempty"`
	}
)
