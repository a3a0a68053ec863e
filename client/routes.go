package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Listing narrows a list.
type Listing struct {
	Scope    string // mine, review, all; "" is mine
	Status   string
	Resource string
	Grant    string    // of sessions only
	Person   string    // of sessions only, of all that one may see
	Since    time.Time // of sessions only: of their opening
	Until    time.Time
	Before   uint64
	Limit    int
	Position uint64 // of the caller's last change; the list waits for it
}

// Pages reads page after page of a list, until f wants no more or there is none.
// A page may be empty and not the last one: what the caller may not see is left out.
func Pages[T any](ctx context.Context, l Listing, page func(context.Context, Listing) (List[T], error), f func(List[T]) (more bool)) error {
	for {
		list, err := page(ctx, l)
		if err != nil {
			return err
		}
		if !f(list) || list.Next == "" {
			return nil
		}
		before, err := strconv.ParseUint(list.Next, 10, 64)
		if err != nil || l.Before != 0 && before >= l.Before {
			return fmt.Errorf("the gateway says that the next page is %q, after %d", list.Next, l.Before)
		}
		l.Before = before
	}
}

func (l Listing) query() url.Values {
	q := url.Values{}
	set(q, "scope", l.Scope)
	set(q, "status", l.Status)
	set(q, "resource", l.Resource)
	set(q, "grant", l.Grant)
	set(q, "person", l.Person)
	setTime(q, "since", l.Since)
	setTime(q, "until", l.Until)
	setNumber(q, "before", l.Before)
	setNumber(q, "limit", uint64(max(l.Limit, 0)))
	setNumber(q, "position", l.Position)
	return q
}

func set(q url.Values, key, value string) {
	if value != "" {
		q.Set(key, value)
	}
}

func setNumber(q url.Values, key string, n uint64) {
	if n > 0 {
		q.Set(key, strconv.FormatUint(n, 10))
	}
}

func setTime(q url.Values, key string, t time.Time) {
	if !t.IsZero() {
		q.Set(key, t.Format(time.RFC3339Nano))
	}
}

// SignIn signs in; the token is not kept.
func (c *Client) SignIn(ctx context.Context, in SignIn) (SignedIn, error) {
	return post[SignedIn](ctx, c, "/sign-in", in)
}

// AwaitDevice begins to sign in by a code that is typed into a browser.
func (c *Client) AwaitDevice(ctx context.Context, in DeviceAsk) (DeviceWait, error) {
	return post[DeviceWait](ctx, c, "/device", in)
}

// CollectDevice asks whether the code was typed.
func (c *Client) CollectDevice(ctx context.Context, secret string) (DeviceAnswer, error) {
	return post[DeviceAnswer](ctx, c, "/device/token", DeviceCollect{secret})
}

// SignOut withdraws the client's own token.
func (c *Client) SignOut(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/sign-out", nil, nil, nil)
}

// SignOutEverywhere makes every credential of the caller worthless.
func (c *Client) SignOutEverywhere(ctx context.Context) (Done, error) {
	return post[Done](ctx, c, "/sign-out-everywhere", nil)
}

// Me says who the caller is.
func (c *Client) Me(ctx context.Context) (Me, error) { return get[Me](ctx, c, "/me", nil) }

// ChangePassphrase changes the caller's passphrase.
func (c *Client) ChangePassphrase(ctx context.Context, old, next string) error {
	return c.call(ctx, http.MethodPost, "/passphrase", nil, map[string]string{"old": old, "new": next}, nil)
}

// Find lists what the caller could ask for now.
func (c *Client) Find(ctx context.Context) (List[Offer], error) {
	return get[List[Offer]](ctx, c, "/find", nil)
}

// Requests lists requests.
func (c *Client) Requests(ctx context.Context, l Listing) (List[Request], error) {
	return get[List[Request]](ctx, c, "/requests", l.query())
}

// Ask asks for a role.
func (c *Client) Ask(ctx context.Context, in Ask) (Request, error) {
	return post[Request](ctx, c, "/requests", in)
}

// Request shows a request.
func (c *Client) Request(ctx context.Context, id string) (Request, error) {
	return get[Request](ctx, c, "/requests/"+seg(id), nil)
}

// Facts say what is known about a request besides what it says.
func (c *Client) Facts(ctx context.Context, id string) (Facts, error) {
	return get[Facts](ctx, c, "/requests/"+seg(id)+"/facts", nil)
}

// Approve approves a request, exactly as it was shown.
func (c *Client) Approve(ctx context.Context, id string, in Decision) (Request, error) {
	return post[Request](ctx, c, "/requests/"+seg(id)+"/approve", in)
}

// Deny denies a request.
func (c *Client) Deny(ctx context.Context, id string, in Decision) (Request, error) {
	return post[Request](ctx, c, "/requests/"+seg(id)+"/deny", in)
}

// Withdraw withdraws the caller's own request.
func (c *Client) Withdraw(ctx context.Context, id string) (Request, error) {
	return post[Request](ctx, c, "/requests/"+seg(id)+"/withdraw", nil)
}

// Grants lists grants.
func (c *Client) Grants(ctx context.Context, l Listing) (List[Grant], error) {
	return get[List[Grant]](ctx, c, "/grants", l.query())
}

// Grant shows a grant, no older than the position; 0: any.
func (c *Client) Grant(ctx context.Context, id string, position uint64) (Grant, error) {
	q := url.Values{}
	setNumber(q, "position", position)
	return get[Grant](ctx, c, "/grants/"+seg(id), q)
}

// Extend asks for more time.
func (c *Client) Extend(ctx context.Context, id string, in More) (Request, error) {
	return post[Request](ctx, c, "/grants/"+seg(id)+"/extend", in)
}

// GiveBack ends the caller's own grant.
func (c *Client) GiveBack(ctx context.Context, id string) (Done, error) {
	return post[Done](ctx, c, "/grants/"+seg(id)+"/return", nil)
}

// Revoke ends somebody's grant now.
func (c *Client) Revoke(ctx context.Context, id string, in Why) (Done, error) {
	return post[Done](ctx, c, "/grants/"+seg(id)+"/revoke", in)
}

// Shorten moves a grant's end nearer.
func (c *Client) Shorten(ctx context.Context, id string, in More) (Done, error) {
	return post[Done](ctx, c, "/grants/"+seg(id)+"/shorten", in)
}

// Credential makes a connection credential.
func (c *Client) Credential(ctx context.Context, id string, in WantCredential) (Credential, error) {
	return post[Credential](ctx, c, "/grants/"+seg(id)+"/credential", in)
}

// Asking makes a connection credential whose first connection asks for access.
func (c *Client) Asking(ctx context.Context, in Ask) (Credential, error) {
	return post[Credential](ctx, c, "/credentials", in)
}

// Statements lists statements that wait for a release: one's own, and those one may release.
func (c *Client) Statements(ctx context.Context) (List[Held], error) {
	return get[List[Held]](ctx, c, "/statements", nil)
}

// Statement shows a statement that waits.
func (c *Client) Statement(ctx context.Context, id string) (Held, error) {
	return get[Held](ctx, c, "/statements/"+seg(id), nil)
}

// ReleaseStatement releases a statement, exactly as it was shown, once.
func (c *Client) ReleaseStatement(ctx context.Context, id string, in Decision) (Done, error) {
	return post[Done](ctx, c, "/statements/"+seg(id)+"/release", in)
}

// RefuseStatement refuses a statement.
func (c *Client) RefuseStatement(ctx context.Context, id string, in Decision) (Done, error) {
	return post[Done](ctx, c, "/statements/"+seg(id)+"/refuse", in)
}

// Sessions lists sessions.
func (c *Client) Sessions(ctx context.Context, l Listing) (List[Session], error) {
	return get[List[Session]](ctx, c, "/sessions", l.query())
}

// Session shows a session, no older than the position; 0: any.
func (c *Client) Session(ctx context.Context, id string, position uint64) (Session, error) {
	q := url.Values{}
	setNumber(q, "position", position)
	return get[Session](ctx, c, "/sessions/"+seg(id), q)
}

// Cut ends a session now; its grant goes on.
func (c *Client) Cut(ctx context.Context, id string, in Why) (Done, error) {
	return post[Done](ctx, c, "/sessions/"+seg(id)+"/cut", in)
}
