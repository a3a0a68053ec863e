package identity

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
)

// certificateLife is how long an SSH certificate is good for at most: it is renewed
// by whoever is still signed in.
const certificateLife = time.Hour

const (
	certificateSkew = time.Minute // how far a client's clock may be behind ours
	sourceAddress   = "source-address"
	// signInOption holds the person, the sign-in and the person's generation. It is a
	// critical option: a host that trusted our authority by mistake refuses what it does
	// not know (PROTOCOL.certkeys), so that these certificates open nothing but this gateway.
	signInOption = "sign-in@curfewhq"
)

// people is the authority that certifies people's keys for SSH. It is derived from
// the node's secret, apart from the one that hosts trust.
func (s *Service) people() (ssh.Signer, error) {
	seed := s.parts.Ring.MAC([]byte("ssh people"), []byte("ed25519"))
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "derive the authority for people's keys")
	}
	return signer, nil
}

// IssueSSH certifies somebody's public key (as in authorized_keys): it says who they
// are for as long as the sign-in lives that asks for it, and an hour at most. It gives
// no access.
func (s *Service) IssueSSH(_ context.Context, who curfew.Principal, signIn, public string) (certificate string, until time.Time, err error) {
	key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil || len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 || key.Type() != ssh.KeyAlgoED25519 {
		return "", until, curfew.Errorf(curfew.Invalid, "this is no Ed25519 public key").WithFix("curfew ssh-config makes one")
	}
	now := s.parts.Access.Now()
	var listed access.Listed
	enabled := false
	s.parts.Access.View(func(st *access.State) { listed, enabled = st.Tokens[signIn], st.Enabled(who) })
	if listed.Principal != who || !enabled || s.parts.Access.Withdrawn(who, signIn) || !now.Before(listed.Until) {
		return "", until, stranger()
	}
	until = now.Add(certificateLife)
	if listed.Until.Before(until) {
		until = listed.Until
	}
	until = until.Truncate(time.Second)
	authority, err := s.people()
	if err != nil {
		return "", until, err
	}
	var serial [8]byte
	_, _ = rand.Read(serial[:]) // never fails (crypto/rand)
	cert := &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, Serial: binary.BigEndian.Uint64(serial[:]), KeyId: "curfew " + string(who) + " " + signIn,
		ValidPrincipals: []string{string(who)}, ValidAfter: uint64(now.Add(-certificateSkew).Unix()), ValidBefore: uint64(until.Unix()),
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{signInOption: fmt.Sprintf("%s %s %d", who, signIn, s.generation(who))}},
	}
	if err := cert.SignCert(rand.Reader, authority); err != nil {
		return "", until, curfew.Wrap(curfew.Internal, err, "sign a certificate")
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(cert))), until, nil
}

// RecognizeSSH says whose certificate it is, if it is one of ours, signed by our
// authority itself, and its sign-in still counts. from is the client's address.
func (s *Service) RecognizeSSH(_ context.Context, certificate []byte, from string) (engine.Person, error) {
	key, err := ssh.ParsePublicKey(certificate)
	if err != nil {
		return engine.Person{}, stranger()
	}
	cert, ok := key.(*ssh.Certificate)
	authority, err := s.people()
	if !ok || err != nil || cert.CertType != ssh.UserCert || cert.Key.Type() != ssh.KeyAlgoED25519 || !bytes.Equal(cert.SignatureKey.Marshal(), authority.PublicKey().Marshal()) {
		return engine.Person{}, stranger()
	}
	p, ok := personOf(cert)
	check := ssh.CertChecker{SupportedCriticalOptions: []string{signInOption, sourceAddress}, Clock: s.parts.Access.Now}
	if !ok || check.CheckCert(string(p.Principal), cert) != nil {
		return engine.Person{}, stranger()
	}
	if source, ok := cert.CriticalOptions[sourceAddress]; ok && !within(from, source) {
		return engine.Person{}, stranger()
	}
	s.parts.Access.View(func(st *access.State) { p.Until = st.Tokens[p.SignIn].Until }) // the certificate has done its part
	return p, s.StillIs(p)
}

// StillIs is nil while the sign-in counts that a person was recognized by.
func (s *Service) StillIs(p engine.Person) error {
	now := s.parts.Access.Now()
	err := error(nil)
	s.parts.Access.View(func(st *access.State) {
		err = st.Counts(access.Credential{Principal: p.Principal, SignIn: p.SignIn, Generation: p.Generation, Until: p.Until}, now)
	})
	if err != nil || p.SignIn == "" || s.parts.Access.Withdrawn(p.Principal, p.SignIn) {
		return stranger()
	}
	return nil
}

// personOf reads what we have signed.
func personOf(cert *ssh.Certificate) (engine.Person, bool) {
	fields := strings.Split(cert.CriticalOptions[signInOption], " ")
	if len(fields) != 3 || !curfew.HasPrefix(fields[0], "p") || !curfew.HasPrefix(fields[1], "t") || len(cert.ValidPrincipals) != 1 {
		return engine.Person{}, false
	}
	generation, err := strconv.ParseUint(fields[2], 10, 64)
	return engine.Person{Principal: curfew.Principal(fields[0]), SignIn: fields[1], Generation: generation}, err == nil
}

// within reports whether an address is one of those in a source-address option.
func within(from, source string) bool {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		host = from
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap().WithZone("")
	for one := range strings.SplitSeq(source, ",") {
		if p, err := netip.ParsePrefix(one); err == nil && p.Contains(a) {
			return true
		}
		if b, err := netip.ParseAddr(one); err == nil && b.Unmap() == a {
			return true
		}
	}
	return false
}
