// Package client is the HTTP API as Go sees it: what is sent, what comes back,
// and a client that sends it. It holds no rule; the server does.
package client

import "time"

// Everything under this path; the version is part of it.
const Base = "/api/v1"

// Person is a principal as people see it.
type Person struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Email   string   `json:"email,omitempty"`
	Groups  []string `json:"groups,omitempty"`
	Enabled bool     `json:"enabled"`
	Joined  bool     `json:"joined" doc:"Has signed in once"`
	Passkey bool     `json:"passkey,omitempty" doc:"Has a passkey: decides by its touch alone. For the person, administrators and auditors"`
}

// Me is who the caller is.
type Me struct {
	Person
	Deployment string    `json:"deployment"`
	Admin      bool      `json:"admin"`
	Auditor    bool      `json:"auditor"`
	Bootstrap  bool      `json:"bootstrap" doc:"There are not two administrators yet: one person may change everything"`
	Until      time.Time `json:"until" doc:"When this sign-in ends"`
	Asks       bool      `json:"asks,omitempty" doc:"This sign-in came from a code: it asks, and uses nothing"`
	CSRF       string    `json:"csrf,omitempty" doc:"Of a browser's session: goes into the header Curfew-CSRF of every change"`
	Now        time.Time `json:"now" doc:"The server's time"`
	Position   uint64    `json:"position" doc:"The ledger position this answer reflects"`
}

// SignIn proves who somebody is: by a one-time link, or by address and passphrase.
type SignIn struct {
	Link       string `json:"link,omitempty"`
	Email      string `json:"email,omitempty"`
	Passphrase string `json:"passphrase" doc:"With a link: the one to set"`
	Device     string `json:"device,omitempty" maxLength:"100"`
}

// SignedIn is a client's token: it may ask and use, and never decides.
type SignedIn struct {
	Token string `json:"token"`
	Me    Me     `json:"me"`
}

// DeviceAsk begins to sign in by a code.
type DeviceAsk struct {
	Device string `json:"device,omitempty" maxLength:"100"`
}

// DeviceWait is what such a client shows, and asks with.
type DeviceWait struct {
	Secret string    `json:"secret" doc:"What the client asks with; it is shown to nobody"`
	Code   string    `json:"code" doc:"What its owner types" example:"BCDF-GHJK"`
	Page   string    `json:"page" doc:"Where they type it"`
	Until  time.Time `json:"until"`
	Every  string    `json:"every" doc:"How often the client may ask, as a duration"`
}

// DeviceCollect asks whether the code was typed.
type DeviceCollect struct {
	Secret string `json:"secret" maxLength:"100"`
}

// DeviceAnswer is the token, once, or that nobody has typed the code yet.
type DeviceAnswer struct {
	Waiting bool   `json:"waiting,omitempty"`
	Token   string `json:"token,omitempty" doc:"It asks, and uses nothing"`
	Me      *Me    `json:"me,omitempty"`
}

// SignInOf is one of the caller's sign-ins that count.
type SignInOf struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind" enum:"browser,token,code"`
	Device  string    `json:"device,omitempty" doc:"What the client called itself"`
	Address string    `json:"address,omitempty"`
	Made    time.Time `json:"made,omitzero"`
	Until   time.Time `json:"until"`
	Current bool      `json:"current" doc:"It is the caller's own"`
}

// Check is one condition of a policy with the value that was seen.
type Check struct {
	Rule string `json:"rule"`
	OK   bool   `json:"ok"`
	Need string `json:"need"`
	Saw  string `json:"saw"`
	Fix  string `json:"fix,omitempty"`
}

// Verdict is what one policy says.
type Verdict struct {
	Policy    string   `json:"policy"`
	OK        bool     `json:"ok"`
	Checks    []Check  `json:"checks"`
	Approvals []string `json:"approvals,omitempty" doc:"What it takes, one sentence each"`
	Longest   string   `json:"longest" doc:"The most it gives, as a duration"`
	Bounds    []string `json:"bounds,omitempty"`
	Sentence  string   `json:"sentence" doc:"The policy read aloud"`
}

// Answer says whether somebody can have a role, and why.
type Answer struct {
	Person   Person    `json:"person"`
	Role     string    `json:"role"`
	Resource string    `json:"resource"`
	OK       bool      `json:"ok" doc:"May ask; approvals may still be needed"`
	Has      string    `json:"has,omitempty" doc:"The live grant they hold, if any"`
	At       time.Time `json:"at"`
	Verdicts []Verdict `json:"verdicts"`
	Text     string    `json:"text" doc:"The answer as a person reads it"`
	Position uint64    `json:"position"`
}

// Offer is a role somebody could ask for now.
type Offer struct {
	Role      string   `json:"role"`
	Resource  string   `json:"resource"`
	About     string   `json:"about,omitempty"`
	Effect    string   `json:"effect"`
	Longest   string   `json:"longest"`
	Usual     string   `json:"usual,omitempty" doc:"How long the caller usually used it: the median of their last grants, from three on"`
	Approvals []string `json:"approvals,omitempty"`
	Workflow  string   `json:"workflow,omitempty" doc:"The kind of workflow that must be open and named"`
	Grant     string   `json:"grant,omitempty" doc:"The live grant the caller holds already"`
}

// Ask asks for a role.
type Ask struct {
	Role     string    `json:"role"`
	Resource string    `json:"resource,omitempty"`
	For      string    `json:"for" doc:"A duration: 45m, 2h" example:"45m"`
	Start    time.Time `json:"start,omitzero"`
	Reason   string    `json:"reason" maxLength:"2000"`
	Workflow string    `json:"workflow,omitempty" doc:"The incident, ticket, … it is for"`
}

// Vote is one approval.
type Vote struct {
	By      string    `json:"by"`
	At      time.Time `json:"at"`
	For     string    `json:"for"`
	Passkey bool      `json:"passkey,omitempty" doc:"By the touch of a passkey"`
}

// Request is a request as people see it.
type Request struct {
	ID        string    `json:"id"`
	Status    string    `json:"status" enum:"pending,approved,denied,withdrawn,lapsed,voided"`
	Principal string    `json:"principal"`
	Who       string    `json:"who"`
	Role      string    `json:"role"`
	Resource  string    `json:"resource"`
	Title     string    `json:"title" doc:"The effect in one sentence"`
	Effect    string    `json:"effect" doc:"The role's rights in plain words"`
	Dangers   []string  `json:"dangers,omitempty"`
	For       string    `json:"for"`
	Start     time.Time `json:"start,omitzero"`
	Reason    string    `json:"reason"`
	Workflow  string    `json:"workflow,omitempty"`
	Policy    string    `json:"policy"`
	Sentence  string    `json:"sentence,omitempty" doc:"The policy read aloud"`
	Extends   string    `json:"extends,omitempty"`
	Asked     time.Time `json:"asked"`
	Lapses    time.Time `json:"lapses"`
	Checks    []string  `json:"checks,omitempty" doc:"What the policy saw when it was asked"`
	Waiting   []string  `json:"waiting,omitempty" doc:"Who may decide, by name"`
	Votes     []Vote    `json:"votes,omitempty"`
	MayDecide bool      `json:"may_decide"`
	WhyNot    string    `json:"why_not,omitempty"`
	Digest    string    `json:"digest" doc:"What an approval is for, exactly; hexadecimal"`
	Grant     string    `json:"grant,omitempty"`
	DecidedBy string    `json:"decided_by,omitempty"`
	Answer    string    `json:"answer,omitempty" doc:"The decider's words"`
	From      string    `json:"from,omitempty" doc:"What asked, where it was not a person: a connection that waits"`
	Account   string    `json:"account" doc:"leased or fixed"`
	Position  uint64    `json:"position"`

	Risk     string   `json:"risk,omitempty" enum:"low,medium,high" doc:"What the policy says of it; with high, a grant starts some seconds after the approval, which can be undone until then"`
	Takes    []string `json:"takes,omitempty" doc:"Who must agree, one sentence a need"`
	Recorded string   `json:"recorded,omitempty" doc:"What is recorded, in one sentence"`
	Open     []Span   `json:"open,omitempty" doc:"While it waits: the hours of the policy around now; none: it has no hours"`
	Frozen   []Span   `json:"frozen,omitempty" doc:"While it waits: freezes around now that close it"`
}

// Span is from a moment to another one.
type Span struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Decision approves or denies.
type Decision struct {
	Digest     string `json:"digest,omitempty" doc:"Of the request that was shown; needed to approve"`
	For        string `json:"for,omitempty" doc:"Approve for less"`
	Why        string `json:"why,omitempty" maxLength:"2000"`
	Passphrase string `json:"passphrase,omitempty" doc:"The sign-in of its own that a decision needs"`
}

// Grant is an approved request with an end.
type Grant struct {
	ID        string    `json:"id"`
	Request   string    `json:"request"`
	Principal string    `json:"principal"`
	Who       string    `json:"who"`
	Role      string    `json:"role"`
	Resource  string    `json:"resource"`
	Policy    string    `json:"policy"`
	Workflow  string    `json:"workflow,omitempty"`
	Status    string    `json:"status" enum:"scheduled,active,ended,verified"`
	For       string    `json:"for"`
	Approved  time.Time `json:"approved"`
	By        []string  `json:"by,omitempty" doc:"Who approved, by name"`
	Start     time.Time `json:"start,omitzero"`
	End       time.Time `json:"end,omitzero"`
	UseBy     time.Time `json:"use_by,omitzero"`
	Bound     string    `json:"bound,omitempty" doc:"The arithmetic behind the end"`
	Tested    bool      `json:"tested" doc:"A test connection went through before the clock started"`
	Sessions  int       `json:"sessions" doc:"Live now"`
	Account   string    `json:"account,omitempty" doc:"Its temporary account at the target"`
	Trouble   string    `json:"trouble,omitempty" doc:"What keeps its account from being made or removed"`
	Cause     string    `json:"cause,omitempty"`
	CauseText string    `json:"cause_text,omitempty"`
	EndedBy   string    `json:"ended_by,omitempty"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	EndedWhy  string    `json:"ended_why,omitempty"`
	Verified  time.Time `json:"verified,omitzero" doc:"When nothing of it was left at the target"`
	Used      Used      `json:"used"`
	Receipt   string    `json:"receipt,omitempty" doc:"What it came to, in words, once it is over"`
	Position  uint64    `json:"position"`
}

// Used is what the sessions of a grant came to; of those that live, their number only.
type Used struct {
	Sessions   int   `json:"sessions"`
	Statements int64 `json:"statements"`
	Refused    int64 `json:"refused"`
	Rows       int64 `json:"rows"`
	Bytes      int64 `json:"bytes"`
	Cut        int   `json:"cut" doc:"Sessions that did not end by themselves"`
}

// More asks for more time, or says how much is left of it.
type More struct {
	For    string `json:"for"`
	Reason string `json:"reason,omitempty" maxLength:"2000"`
}

// Why is a person's words.
type Why struct {
	Why string `json:"why,omitempty" maxLength:"2000"`
}

// Done is the answer to taking access away.
type Done struct {
	Written  bool   `json:"written" doc:"False: it has acted, and is not yet in the ledger"`
	Position uint64 `json:"position"`
}

// Held is a statement that waits in its session for a second person's release.
type Held struct {
	ID        string    `json:"id"`
	Status    string    `json:"status" enum:"waiting"`
	Principal string    `json:"principal"`
	Who       string    `json:"who"`
	Role      string    `json:"role"`
	Resource  string    `json:"resource"`
	Session   string    `json:"session"`
	Grant     string    `json:"grant"`
	Classes   []string  `json:"classes" doc:"Why it waits"`
	Effects   []string  `json:"effects,omitempty" doc:"The same in words: drop objects, delete rows without a condition"`
	Text      string    `json:"text,omitempty" doc:"All of it; for whoever sent it and whoever may release it"`
	Values    []Value   `json:"values,omitempty" doc:"Its bound values"`
	Masked    bool      `json:"masked,omitempty" doc:"It sets a secret, which is not shown"`
	Open      bool      `json:"open,omitempty" doc:"Its transaction is open meanwhile, with its locks"`
	Asked     time.Time `json:"asked"`
	Lapses    time.Time `json:"lapses"`
	Waiting   []string  `json:"waiting,omitempty" doc:"Who may release it, by name"`
	Votes     []Vote    `json:"votes,omitempty"`
	MayDecide bool      `json:"may_decide"`
	WhyNot    string    `json:"why_not,omitempty"`
	Digest    string    `json:"digest" doc:"What a release is for, exactly; hexadecimal"`
	Position  uint64    `json:"position"`
}

// WantCredential asks for a connection credential.
type WantCredential struct {
	Many bool   `json:"many,omitempty" doc:"For more than one connection"`
	For  string `json:"for,omitempty" doc:"With many: how long"`
	Hand bool   `json:"by_hand,omitempty" doc:"Not with many: for somebody at a terminal, who may ask for more time from inside"`
}

// Credential is what a native client connects with.
type Credential struct {
	Engine   string    `json:"engine"`
	Host     string    `json:"host"`
	Port     int       `json:"port"`
	Database string    `json:"database" doc:"What to connect to: the resource's name"`
	User     string    `json:"user"`
	Password string    `json:"password"`
	Until    time.Time `json:"until"`
	Once     bool      `json:"once"`
	TLS      string    `json:"tls" doc:"The PEM of the certificate authority; plain: the system knows it, or there is none"`
}

// Session is one connection under a grant.
type Session struct {
	ID         string    `json:"id"`
	Grant      string    `json:"grant"`
	Principal  string    `json:"principal"`
	Who        string    `json:"who"`
	Role       string    `json:"role"`
	Resource   string    `json:"resource"`
	Client     string    `json:"client,omitempty"`
	Program    string    `json:"program,omitempty"`
	Opened     time.Time `json:"opened"`
	Live       bool      `json:"live"`
	Ended      time.Time `json:"ended,omitzero"`
	Cause      string    `json:"cause,omitempty"`
	CauseText  string    `json:"cause_text,omitempty"`
	Statements int64     `json:"statements"`
	Refused    int64     `json:"refused"`
	Rows       int64     `json:"rows"`
	Bytes      int64     `json:"bytes"`
	CutBy      string    `json:"cut_by,omitempty" doc:"Who cut it"`
	CutWhy     string    `json:"cut_why,omitempty" doc:"Their words"`
	Terminated bool      `json:"terminated" doc:"Its work at the target was seen to be gone"`
	CutTook    string    `json:"cut_took,omitempty"`
	Viewed     []string  `json:"viewed,omitempty" doc:"Who has looked at its recording"`
	MayCut     bool      `json:"may_cut"`
	KeptUntil  time.Time `json:"kept_until,omitzero" doc:"When its recording may be removed, if nobody holds it; none: it is kept for ever"`
	Held       []Hold    `json:"held,omitempty" doc:"Who holds its recording; for administrators and auditors"`
	Removed    time.Time `json:"removed,omitzero" doc:"When its recording was removed"`
	RemovedWhy string    `json:"removed_why,omitempty"`
}

// Hold keeps a recording, whatever the retention says.
type Hold struct {
	By  string    `json:"by"`
	At  time.Time `json:"at"`
	Why string    `json:"why,omitempty"`
}

// Holding holds a recording, or releases a hold.
type Holding struct {
	Reason     string `json:"reason" maxLength:"2000"`
	Of         string `json:"of,omitempty" doc:"To release: whose hold, by address or name; the only one if there is one"`
	Passphrase string `json:"passphrase,omitempty" doc:"The sign-in of its own that this needs"`
}

// Retention is how long recordings are kept.
type Retention struct {
	Recordings string `json:"recordings" doc:"A duration; empty: for ever"`
	Sentence   string `json:"sentence" doc:"The rule read aloud"`
}

// Hit is a session in which something was found.
type Hit struct {
	Session Session `json:"session"`
	Items   []Found `json:"items" doc:"The first items with all of the words"`
	More    bool    `json:"more,omitempty" doc:"There are more such items"`
	Partial bool    `json:"partial,omitempty" doc:"The recording was not searched to its end: it took too long"`
	Fault   string  `json:"fault,omitempty" doc:"Why the recording could not be searched"`
}

// Found is an item in which something was found, shortened.
type Found struct {
	Item
	Number int  `json:"number" doc:"In the recording, from 1"`
	Cut    bool `json:"cut,omitempty" doc:"It is longer than what is shown"`
}

// Hits are a page of what was found, newest sessions first.
type Hits struct {
	Items    []Hit  `json:"items"`
	Looked   int    `json:"looked" doc:"Sessions that were searched for this page"`
	Removed  int    `json:"removed,omitempty" doc:"Sessions whose recording has been removed"`
	Position uint64 `json:"position" doc:"The ledger position this answer reflects"`
	Behind   bool   `json:"behind,omitempty"`
	Next     string `json:"next,omitempty" doc:"Pass as before to search on; none: everything was searched"`
}

// Item is one line of a recording.
type Item struct {
	At      time.Time `json:"at"`
	Kind    string    `json:"kind"`
	Ref     uint64    `json:"ref,omitempty"`
	Text    string    `json:"text,omitempty"`
	Values  []Value   `json:"values,omitempty"`
	Columns []string  `json:"columns,omitempty" doc:"Of a result, where they are known"`
	Table   [][]Value `json:"table,omitempty" doc:"Rows of a result"`
	Left    int64     `json:"left,omitempty" doc:"Rows of it that were not kept, beyond the limit"`
	Tag     string    `json:"tag,omitempty"`
	Rows    int64     `json:"rows,omitempty"`
	Bytes   int64     `json:"bytes,omitempty"`
	TookMS  float64   `json:"took_ms,omitempty"`
	Error   string    `json:"error,omitempty"`
	Code    string    `json:"code,omitempty"`
}

// Value is a bound value, or one of a result.
type Value struct {
	Text   string `json:"text,omitempty"`
	Null   bool   `json:"null,omitempty"`
	Binary bool   `json:"binary,omitempty"`
	Cut    int    `json:"cut,omitempty"`
}

// Entry is one line of the audit log.
type Entry struct {
	Position uint64         `json:"position"`
	At       time.Time      `json:"at"`
	Kind     string         `json:"kind"`
	Text     string         `json:"text" doc:"What happened, in one sentence"`
	Who      string         `json:"who,omitempty"`
	Resource string         `json:"resource,omitempty"`
	Grant    string         `json:"grant,omitempty"`
	Request  string         `json:"request,omitempty"`
	Session  string         `json:"session,omitempty"`
	Body     map[string]any `json:"body" doc:"The event as it is in the ledger"`
}

// List is a page of anything.
type List[T any] struct {
	Items    []T    `json:"items"`
	Position uint64 `json:"position" doc:"The ledger position this answer reflects"`
	Behind   bool   `json:"behind,omitempty" doc:"The list is older than the caller's last change"`
	Next     string `json:"next,omitempty" doc:"Pass as before for the next page; none: this is the last one"`
}

// Workflow is an incident, maintenance, change, ticket, deploy or debugging session.
type Workflow struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind"`
	Title     string    `json:"title,omitempty"`
	Assignee  string    `json:"assignee,omitempty" doc:"An address on the way in, a name on the way out"`
	Resources []string  `json:"resources,omitempty"`
	Opened    time.Time `json:"opened,omitzero"`
	By        []string  `json:"by,omitempty"`
}

// Invite adds a person or makes their link again before they have used one.
type Invite struct {
	Email      string `json:"email"`
	Name       string `json:"name,omitempty" maxLength:"128"`
	Passphrase string `json:"passphrase,omitempty"`
}

// Invited is a one-time sign-in link, to be handed over by a safe way.
type Invited struct {
	Person Person    `json:"person"`
	Link   string    `json:"link"`
	Until  time.Time `json:"until"`
}

// Finding is one line of the doctor.
type Finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Warn bool   `json:"warn,omitempty"`
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"`
}

// Setup is what the owner of a target runs once, in the target's own language.
type Setup struct {
	Resource string   `json:"resource"`
	Lines    []string `json:"lines"`
}

// Fault is an error (RFC 9457), with what to do next.
type Fault struct {
	Code      string `json:"code"`
	Title     string `json:"title"`
	Detail    string `json:"detail,omitempty"`
	Status    int    `json:"status"`
	Fix       []Fix  `json:"fix,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// Fix is a next step.
type Fix struct {
	Say string `json:"say,omitempty"`
	Run string `json:"run,omitempty"`
}
