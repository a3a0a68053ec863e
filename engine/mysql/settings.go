package mysql

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/lease"
)

// settings are a resource's options.
type settings struct {
	// Database is where names without a database in them are looked for, and where
	// clients begin; "": the credential's.
	Database string `json:"database"`
}

func settingsOf(res curfew.Resource) (settings, error) {
	var s settings
	if len(res.Options) == 0 {
		return s, nil
	}
	dec := json.NewDecoder(bytes.NewReader(res.Options))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, curfew.Errorf(curfew.Invalid, "the options of %s are not MySQL's: %s", res.Name, err).WithFix("database is one")
	}
	return s, nil
}

// databaseOf is the resource's own database: as its options say, or its credential.
func databaseOf(res curfew.Resource, login lease.Login) string {
	if s, err := settingsOf(res); err == nil && s.Database != "" {
		return s.Database
	}
	return login.Database
}

// targetTLS is how the credential says the target is to be met.
func targetTLS(res curfew.Resource, login lease.Login) (*tls.Config, error) {
	host, _, _ := net.SplitHostPort(res.Address)
	cfg := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	switch mode := login.Options["sslmode"]; mode {
	case "disable":
		return nil, nil //nolint:nilnil // no TLS
	case "require":
		cfg.InsecureSkipVerify = true //nolint:gosec // what the operator wrote into the credential
	case "verify-full", "":
	default:
		return nil, curfew.Errorf(curfew.Invalid, "the credential's sslmode %.20q is none of disable, require, verify-full", mode)
	}
	if pem := login.Options["sslrootcert"]; pem != "" {
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM([]byte(pem)) {
			return nil, curfew.Errorf(curfew.Invalid, "the credential's sslrootcert holds no certificate")
		}
	}
	return cfg, nil
}
