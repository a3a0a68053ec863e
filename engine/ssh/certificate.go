package ssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew"
)

// maxSkew is how far a host's clock may be behind ours.
const maxSkew = time.Minute

// want is what a certificate is for.
type want struct {
	account   string // curfew_<deployment>_<lease>
	what      string // session or errand, for the host's log
	resource  curfew.ResourceName
	login     string
	command   string // that the host runs, whatever is asked for
	source    string // address that the host sees us at; "": any
	until     time.Time
	may       permission
	noSession bool // an errand: nothing but the command
}

// issue makes a key and a certificate for it. The key lives as long as what it is
// used for, in memory.
func (k Keys) issue(w want) (ssh.Signer, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "make a key")
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "make a key")
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "make a key")
	}
	var serial [8]byte
	_, _ = rand.Read(serial[:]) // never fails (crypto/rand)
	cert := &ssh.Certificate{
		Key: key, CertType: ssh.UserCert, Serial: binary.BigEndian.Uint64(serial[:]), KeyId: w.account + " " + w.what,
		ValidPrincipals: []string{principal(deploymentOf(w.account), w.resource, w.login)},
		ValidAfter:      uint64(time.Now().Add(-maxSkew).Unix()), ValidBefore: uint64(w.until.Unix()), // the shorter reading: whole seconds
		Permissions: ssh.Permissions{CriticalOptions: map[string]string{"force-command": w.command}, Extensions: w.extensions()},
	}
	if w.source != "" {
		cert.CriticalOptions["source-address"] = w.source
	}
	if err := cert.SignCert(rand.Reader, k.Authority); err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "sign a certificate")
	}
	signed, err := ssh.NewCertSigner(cert, signer)
	if err != nil {
		return nil, curfew.Wrap(curfew.Internal, err, "sign a certificate")
	}
	return signed, nil
}

// extensions are what the host itself lets the certificate do (PROTOCOL.certkeys):
// never X11, never the user's own rc file.
func (w want) extensions() map[string]string {
	out := map[string]string{}
	if w.noSession {
		return out
	}
	if w.may.mayPTY() {
		out["permit-pty"] = ""
	}
	if w.may.has(forward) || w.may.has(listen) {
		out["permit-port-forwarding"] = ""
	}
	if w.may.has(agent) {
		out["permit-agent-forwarding"] = ""
	}
	return out
}

// principal is what the host's owner lists for a login (AuthorizedPrincipalsFile):
// a certificate for one host, or of another deployment, opens nothing at this one.
func principal(deployment string, resource curfew.ResourceName, login string) string {
	var b strings.Builder
	for _, c := range []byte(resource) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02x", c)
	}
	return "curfew:" + deployment + ":" + b.String() + ":" + login
}

// deploymentOf reads the deployment from an account's name.
func deploymentOf(account string) string {
	parts := strings.SplitN(account, "_", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}
