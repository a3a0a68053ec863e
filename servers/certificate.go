package servers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/curfewhq/curfew"
)

// certify makes an authority and a certificate of the server's, for localhost.
func (p *Postgres) certify() error {
	caKey, err := p.authorityKey()
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "make a key")
	}
	ca, cert, key, err := localhostCertificate(caKey)
	if err != nil {
		return err
	}
	p.CA = ca
	return errors.Join(p.give("cert.pem", cert, 0o644), p.give("key.pem", key, 0o600))
}

// localhostCertificate makes an authority, and a certificate and key for this machine; all PEM.
func localhostCertificate(caKey crypto.Signer) (authority, cert, private []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, curfew.Wrap(curfew.Internal, err, "make a key")
	}
	from := time.Now().Add(-time.Hour)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "throw-away authority"}, NotBefore: from, NotAfter: from.Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: from, NotAfter: from.Add(48 * time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	caDER, err1 := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	leafDER, err2 := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	keyDER, err3 := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, nil, nil, curfew.Wrap(curfew.Internal, err, "make a certificate")
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

func (p *Postgres) authorityKey() (crypto.Signer, error) {
	if p.opt.Ed25519 {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// give writes a file that belongs to the server's user.
func (p *Postgres) give(name string, text []byte, mode os.FileMode) error {
	path := filepath.Join(p.folder, name)
	if err := os.WriteFile(path, text, mode); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write %s", name)
	}
	if c := p.attr.Credential; c != nil {
		return os.Chown(path, int(c.Uid), int(c.Gid))
	}
	return nil
}
