package client

import (
	"context"
	"time"
)

// WantSSH asks for an SSH certificate.
type WantSSH struct {
	PublicKey string `json:"public_key" maxLength:"1000" doc:"An Ed25519 public key, as in authorized_keys"`
}

// SSHCertificate says who somebody is to the gateway's SSH door. It gives no access.
type SSHCertificate struct {
	Certificate string    `json:"certificate" doc:"As OpenSSH keeps it beside the key: …-cert.pub"`
	Until       time.Time `json:"until"`
	Host        string    `json:"host" doc:"Of the gateway's SSH door"`
	Port        int       `json:"port"`
	HostKey     string    `json:"host_key" doc:"The gateway's, as in known_hosts behind the name"`
	Deployment  string    `json:"deployment"`
}

// SSH certifies a public key for the caller.
func (c *Client) SSH(ctx context.Context, in WantSSH) (SSHCertificate, error) {
	return post[SSHCertificate](ctx, c, "/ssh-certificate", in)
}
