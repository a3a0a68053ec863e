package identity

import (
	"context"
	"strings"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/seal"
)

// erased is what is shown of a person whose key is gone.
const erased = "(erased)"

// AddPerson makes a person known, under a key of their own. by is empty for the first one.
func (s *Service) AddPerson(ctx context.Context, name, email string, by curfew.Principal) (curfew.Principal, error) {
	email = strings.ToLower(strings.TrimSpace(email))
	if err := checkPerson(name, email); err != nil {
		return "", err
	}
	who := curfew.Principal(curfew.NewID("p"))
	b, err := s.newPerson(ctx, who, name, email)
	if err != nil {
		return "", err
	}
	b.By = by
	if _, err := s.parts.Access.Do(ctx, access.AddPerson{PrincipalAdded: b}); err != nil {
		return "", err
	}
	return who, nil
}

// newPerson makes a person's key and seals what is known of them under it.
func (s *Service) newPerson(ctx context.Context, who curfew.Principal, name, email string) (curfew.PrincipalAdded, error) {
	b := curfew.PrincipalAdded{Principal: who, Kind: curfew.Person, EmailTag: s.emailTag(email)}
	_, err := s.parts.Shelf.Put(ctx, rowPersonKey, string(who), []byte(seal.NewKey().Text()))
	if err != nil {
		return b, err
	}
	if b.Name, err = s.Seal(ctx, who, name); err != nil {
		return b, err
	}
	b.Email, err = s.Seal(ctx, who, email)
	return b, err
}

// Carry is what another deployment knows of a person, under keys of this one.
// Their sign-ins stay behind. ok is false for who is disabled or erased there.
func (s *Service) Carry(ctx context.Context, from *Service, p *access.Person) (b curfew.PrincipalAdded, ok bool, err error) {
	name, email := from.Text(ctx, p.ID, p.Name), from.Text(ctx, p.ID, p.Email)
	if !p.Enabled || p.Kind != curfew.Person || checkPerson(name, email) != nil {
		return b, false, nil
	}
	b, err = s.newPerson(ctx, p.ID, name, email)
	return b, err == nil, err
}

func checkPerson(name, email string) error {
	at := strings.IndexByte(email, '@')
	if at < 1 || at == len(email)-1 || len(email) > 254 || strings.ContainsFunc(email, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return curfew.Errorf(curfew.Invalid, "%.60q is no e-mail address", email)
	}
	if len(name) > curfew.MaxName {
		return curfew.Errorf(curfew.Invalid, "the name is longer than %d bytes", curfew.MaxName)
	}
	return nil
}

func (s *Service) emailTag(email string) []byte {
	m := s.parts.Ring.MAC([]byte("email"), []byte(strings.ToLower(strings.TrimSpace(email))))
	return m[:]
}

// ByEmail finds a person by address.
func (s *Service) ByEmail(email string) (who curfew.Principal, ok bool) {
	tag := s.emailTag(email)
	s.parts.Access.View(func(st *access.State) { who, ok = st.ByEmailTag(tag) })
	return who, ok
}

// personRing is the key of one person.
func (s *Service) personRing(ctx context.Context, who curfew.Principal) (*seal.Ring, error) {
	s.mu.Lock()
	ring := s.keys[who]
	s.mu.Unlock()
	if ring != nil {
		return ring, nil
	}
	text, err := s.parts.Shelf.Get(ctx, rowPersonKey, string(who))
	if err != nil {
		return nil, err
	}
	key, err := seal.ParseKey(string(text))
	if err != nil {
		return nil, err
	}
	ring = seal.NewRing(key)
	s.mu.Lock()
	s.keys[who] = ring
	s.mu.Unlock()
	return ring, nil
}

// Seal encrypts text about a person under their key.
func (s *Service) Seal(ctx context.Context, who curfew.Principal, text string) (curfew.Sealed, error) {
	ring, err := s.personRing(ctx, who)
	if err != nil {
		return nil, err
	}
	return ring.Seal([]byte(who), []byte(text)), nil
}

// Text opens what Seal closed. What cannot be opened is shown as erased.
func (s *Service) Text(ctx context.Context, who curfew.Principal, box curfew.Sealed) string {
	if len(box) == 0 {
		return ""
	}
	ring, err := s.personRing(ctx, who)
	if err != nil {
		return erased
	}
	text, err := ring.Open([]byte(who), box)
	if err != nil {
		return erased
	}
	return string(text)
}

// Name is what a person is called; their address where they gave no name.
func (s *Service) Name(ctx context.Context, who curfew.Principal) string {
	var p access.Person
	s.parts.Access.View(func(st *access.State) {
		if q := st.People[who]; q != nil {
			p = *q
		}
	})
	if p.ID == "" {
		return string(who)
	}
	if name := s.Text(ctx, who, p.Name); name != "" {
		return name
	}
	return s.Text(ctx, who, p.Email)
}

// Email is a person's address.
func (s *Service) Email(ctx context.Context, who curfew.Principal) string {
	var box curfew.Sealed
	s.parts.Access.View(func(st *access.State) {
		if q := st.People[who]; q != nil {
			box = q.Email
		}
	})
	return s.Text(ctx, who, box)
}
