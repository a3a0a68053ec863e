// Package vault opens the gateway's own credentials for targets, by reference.
//
// A credential is an entry of one folder ("file:NAME") or of the environment
// under one prefix ("env:NAME"), never a path. Its text is a URL, and the
// address in it is part of it: it opens for a resource at that address and for
// no other, so that an address that is edited gets no secret.
//
// The package never logs, never keeps and never writes a secret.
package vault

import (
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/curfewhq/curfew"
)

// EnvPrefix is what the name of an environment variable begins with to be an entry.
const EnvPrefix = "CURFEW_LOGIN_"

const maxEntry = 64 << 10

// Store is a credentials folder and an environment.
type Store struct {
	folder string
	getenv func(string) (string, bool)
}

// Open returns the store of a folder; it need not exist.
func Open(folder string) *Store { return &Store{folder: folder, getenv: os.LookupEnv} }

// Credential is the gateway's own login at one address. It prints as nothing.
type Credential struct {
	User, Password, Database string
	Address                  string            // host:port
	Options                  map[string]string // of the URL's query; "sslrootcert" has become the certificates themselves
}

// String hides the credential.
func (Credential) String() string { return "credential(hidden)" }

// GoString hides the credential.
func (Credential) GoString() string { return "credential(hidden)" }

func entryName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`) }

// Open opens the login of a resource. It refuses a credential that was made for
// another address or another protocol.
func (s *Store) Open(res curfew.Resource) (Credential, error) {
	text, err := s.entry(res.Login)
	if err != nil {
		return Credential{}, err
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Host == "" || u.User == nil {
		return Credential{}, curfew.Errorf(curfew.Invalid, "the credential %s is not a URL with a user and an address", res.Login).
			WithRule("credential.form").WithFix("write it as %s://user:password@host:port/database", res.Type)
	}
	c := Credential{User: u.User.Username(), Database: strings.TrimPrefix(u.Path, "/"), Address: address(u), Options: map[string]string{}}
	c.Password, _ = u.User.Password()
	if scheme := strings.TrimSuffix(u.Scheme, "ql"); scheme != strings.TrimSuffix(string(res.Type), "ql") {
		return Credential{}, curfew.Errorf(curfew.Denied, "the credential %s is for %s, not for %s", res.Login, u.Scheme, res.Type).WithRule("credential.type")
	}
	if !strings.EqualFold(c.Address, res.Address) {
		return Credential{}, curfew.Errorf(curfew.Denied, "the credential %s was entered for another address than %s has now", res.Login, res.Name).
			WithRule("credential.address").WithFix("if the address is right, enter the credential again with %s in it", res.Address)
	}
	for k, v := range u.Query() {
		c.Options[k] = v[0]
	}
	if ca := c.Options["sslrootcert"]; ca != "" {
		if c.Options["sslrootcert"], err = s.entry(ca); err != nil {
			return Credential{}, err
		}
	}
	return c, nil
}

func address(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	if u.Scheme == "mysql" {
		return net.JoinHostPort(u.Hostname(), "3306")
	}
	return net.JoinHostPort(u.Hostname(), "5432")
}

func (s *Store) entry(ref string) (string, error) {
	kind, name, ok := strings.Cut(ref, ":")
	if !ok || !entryName().MatchString(name) {
		return "", curfew.Errorf(curfew.Invalid, "%q is no reference to a credential", ref).WithRule("credential.form").WithFix("env:NAME or file:NAME, where NAME is letters, digits and _ . -")
	}
	switch kind {
	case "env":
		if text, ok := s.getenv(EnvPrefix + name); ok {
			return text, nil
		}
		return "", curfew.Errorf(curfew.NotFound, "there is no credential %s", ref).WithRule("credential.missing").WithFix("set %s%s in the gateway's environment", EnvPrefix, name)
	case "file":
		return s.file(ref, name)
	}
	return "", curfew.Errorf(curfew.Invalid, "%q is no kind of credential", kind).WithFix("env:NAME or file:NAME")
}

// file reads an entry of the folder; a link that leads out of it is not followed.
func (s *Store) file(ref, name string) (string, error) {
	root, err := os.OpenRoot(s.folder)
	if err != nil {
		return "", curfew.Wrap(curfew.NotFound, err, "open the credentials folder").WithRule("credential.missing").WithFix("put the file %s into %s", name, s.folder)
	}
	defer func() { _ = root.Close() }()
	f, err := root.Open(name)
	if err != nil {
		return "", curfew.Errorf(curfew.NotFound, "there is no credential %s", ref).WithRule("credential.missing").WithFix("put it into %s", filepath.Join(s.folder, name))
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err != nil || info.Mode().Perm()&0o077 != 0 {
		return "", curfew.Errorf(curfew.Denied, "the credential %s can be read by others", ref).WithRule("credential.mode").WithFix("chmod 600 %s", filepath.Join(s.folder, name))
	}
	text, err := io.ReadAll(io.LimitReader(f, maxEntry))
	if err != nil {
		return "", curfew.Wrap(curfew.Unavailable, err, "read the credential %s", ref)
	}
	return string(text), nil
}
