package identity

import (
	"cmp"
	"context"
	"encoding/base64"
	"slices"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
)

// IssueBrowser signs a browser in as a person who has proved who they are: a session
// that asks and uses like a token, in a cookie of the console's origin alone
// (docs/decisions/0040-browser-sessions.md). Its end and the person's generation are
// in the row; the ledger lists the row, so that one that was signed out stays so.
func (s *Service) IssueBrowser(ctx context.Context, who curfew.Principal, from From) (cookie string, until time.Time, err error) {
	return s.signIn(ctx, who, forBrowser, tokenRow{Device: from.Device, Address: hostOf(from.Address)})
}

// Browser says who a browser's cookie is, or that nobody is.
func (s *Service) Browser(ctx context.Context, cookie string) (SignedIn, error) {
	in, err := s.signedIn(ctx, cookie, forBrowser)
	if err != nil {
		return in, err
	}
	in.CSRF = s.csrf(cookie)
	return in, nil
}

// csrf is bound to one session: it is worth nothing with another's cookie.
func (s *Service) csrf(cookie string) string {
	m := s.parts.Ring.MAC([]byte("csrf"), []byte(cookie))
	return base64.RawURLEncoding.EncodeToString(m[:])
}

// SignInOf is one of somebody's sign-ins, as its owner sees it.
type SignInOf struct {
	ID      string
	Browser bool
	Asks    bool
	Device  string
	Address string
	Made    time.Time // zero: not known
	Until   time.Time
}

// SignIns are a person's sign-ins that count, newest first.
func (s *Service) SignIns(ctx context.Context, who curfew.Principal) []SignInOf {
	var ids []string
	s.parts.Access.View(func(st *access.State) {
		for id, l := range st.Tokens {
			if l.Principal == who {
				ids = append(ids, id)
			}
		}
	})
	out := []SignInOf{}
	for _, id := range ids {
		k := forToken
		if curfew.HasPrefix(id, forBrowser.id) {
			k = forBrowser
		}
		row, _, err := s.live(ctx, id, k)
		if err != nil {
			continue // over, or a row that does not open
		}
		out = append(out, SignInOf{ID: id, Browser: k == forBrowser, Asks: row.Asks, Device: row.Device, Address: row.Address, Made: row.Made, Until: row.Until})
	}
	slices.SortFunc(out, func(a, b SignInOf) int { return cmp.Or(b.Made.Compare(a.Made), cmp.Compare(a.ID, b.ID)) })
	return out
}
