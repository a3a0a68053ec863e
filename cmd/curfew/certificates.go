package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// certificates are what the listeners show.
type certificates struct {
	server    *tls.Config
	authority string   // PEM of the own authority; "" with given certificates
	names     []string // host names the certificate is for
}

// openCertificates takes the given certificate, or one of an authority of our own
// that is made at first start and kept in the node's folder.
func openCertificates(o options, folder string) (certificates, error) {
	if o.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return certificates{}, curfew.Wrap(curfew.Invalid, err, "read the certificate %s", o.tlsCert)
		}
		return certificates{server: serverConfig(pair), names: pair.Leaf.DNSNames}, nil
	}
	ca, key, text, err := openAuthority(folder)
	if err != nil {
		return certificates{}, err
	}
	names := []string{"localhost"}
	ips := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	for _, address := range []string{o.http, o.postgres} {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return certificates{}, curfew.Errorf(curfew.Invalid, "%.80q is no address", address).WithFix("for example 127.0.0.1:7080")
		}
		if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
			ips = append(ips, ip)
		} else if ip == nil && host != "" {
			names = append(names, host)
		}
	}
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	for _, name := range o.names {
		if ip := net.ParseIP(name); ip != nil {
			ips = append(ips, ip)
		} else {
			names = append(names, name)
		}
	}
	pair, err := issue(ca, key, names, ips)
	if err != nil {
		return certificates{}, err
	}
	return certificates{server: serverConfig(pair), authority: text, names: names}, nil
}

func serverConfig(pair tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
}

// openAuthority reads the own authority, or makes it.
func openAuthority(folder string) (*x509.Certificate, *ecdsa.PrivateKey, string, error) {
	path := filepath.Join(folder, "authority.pem")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = newAuthority(); err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
	}
	if err != nil {
		return nil, nil, "", curfew.Wrap(curfew.Unavailable, err, "open the certificate authority")
	}
	keyBlock, rest := pem.Decode(text)
	certBlock, _ := pem.Decode(rest)
	bad := curfew.Errorf(curfew.Corrupt, "the certificate authority in %s is damaged", path)
	if keyBlock == nil || certBlock == nil {
		return nil, nil, "", bad
	}
	key, err1 := x509.ParseECPrivateKey(keyBlock.Bytes)
	ca, err2 := x509.ParseCertificate(certBlock.Bytes)
	if err1 != nil || err2 != nil {
		return nil, nil, "", bad
	}
	return ca, key, string(pem.EncodeToMemory(certBlock)), nil
}

func newAuthority() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Curfew gateway authority"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().AddDate(10, 0, 0), IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})
	return append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...), nil
}

func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails (crypto/rand)
	return n
}

// issue makes the listeners' certificate, anew at every start.
func issue(ca *x509.Certificate, key *ecdsa.PrivateKey, names []string, ips []net.IP) (tls.Certificate, error) {
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, curfew.Wrap(curfew.Internal, err, "make a certificate")
	}
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: names[0]}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		DNSNames: append(names[:len(names):len(names)], below(names)...), IPAddresses: ips, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, own.Public(), key)
	if err != nil {
		return tls.Certificate{}, curfew.Wrap(curfew.Internal, err, "make a certificate")
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, curfew.Wrap(curfew.Internal, err, "make a certificate")
	}
	return tls.Certificate{Certificate: [][]byte{der, ca.Raw}, PrivateKey: own, Leaf: leaf}, nil
}

// below are the names that web applications have below the gateway's.
func below(names []string) (out []string) {
	for _, n := range names {
		if !strings.HasPrefix(n, "*.") {
			out = append(out, "*."+n)
		}
	}
	return out
}

// httpTLS is the API's TLS: none on loopback.
func (r *running) httpTLS() *tls.Config {
	if loopback(r.opt.http) {
		return nil
	}
	return r.certs.server
}
