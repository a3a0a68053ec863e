package curfew

// Cause says why a grant, a session or a request is over. One enumeration: the
// same word in client text, ledger and metrics. Append-only.
type Cause string

// The causes.
const (
	CauseExpired     Cause = "expired"         // its time is over
	CauseReturned    Cause = "returned"        // the holder gave it back
	CauseRevoked     Cause = "revoked"         // a person cut it
	CauseWindow      Cause = "window_closed"   // the policy's hours ended
	CauseWorkflow    Cause = "workflow_closed" // the incident or ticket it rested on closed
	CauseDisabled    Cause = "principal_disabled"
	CauseGroup       Cause = "group_left" // the holder is no longer one of the policy's who
	CausePolicy      Cause = "policy_changed"
	CauseRole        Cause = "role_changed"
	CauseResource    Cause = "resource_changed"
	CauseUnused      Cause = "unused"       // approved, and nobody used it in time
	CauseUsedOutside Cause = "used_outside" // its account was used past the gateway
	CauseRestored    Cause = "restored"     // the ledger was restored
	CauseFreeze      Cause = "freeze"
	CauseClock       Cause = "clock" // the clock stepped
	CauseRestart     Cause = "restart"
	CauseClosed      Cause = "closed"      // the client went away
	CauseTarget      Cause = "target"      // the target went away or refused
	CauseRecorder    Cause = "recorder"    // what cannot be recorded is not sent
	CauseProtocol    Cause = "protocol"    // the client said something that is refused
	CauseLedger      Cause = "ledger"      // the ledger cannot be reached
	CauseSessionCut  Cause = "session_cut" // a person cut this session, not the grant
	CauseLapsed      Cause = "lapsed"      // a request nobody answered
	CauseWithdrawn   Cause = "withdrawn"   // the requester withdrew it
	CauseDenied      Cause = "denied"      // a person said no
	CauseChanged     Cause = "changed"     // what was asked for changed while it waited
	CauseBudget      Cause = "budget"      // its statements, rows or bytes are spent
)
