package crash

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/servers"
)

// hosted starts an sshd, opens the gateway's door for it, and returns what the configuration
// says of it: whoever works may have a shell there.
func (g *gateway) hosted(text string) (host *servers.SSH, configured string) {
	g.t.Helper()
	host, err := servers.StartSSH(context.Background(), servers.SSHOptions{Folder: g.t.TempDir()})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = host.Stop() })
	g.flags = append(g.flags, "--ssh", freeAddress(g.t))
	key := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(host.HostKey)))
	text = strings.Replace(text, "\nroles:\n", fmt.Sprintf("\n  web-1:\n    type: ssh\n    address: %s\n    host key: %s\n\nroles:\n  web/ops:\n    on: web-1\n    may: [login %s, shell, run anything]\n    longest: 2h\n", host.Address(), key, host.User), 1)
	return host, text + "  hosts:\n    who: workers\n    may have: web/ops\n    at most: 1h\n"
}

// trusts does on the host what its owner does with the set-up that the gateway prints.
func (g *gateway) trusts(ada person, host *servers.SSH) {
	g.t.Helper()
	_, rest, _ := strings.Cut(g.must(ada, "", "add", "--setup", "web-1"), "echo '")
	line, _, _ := strings.Cut(rest, "'")
	authority, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err == nil {
		err = host.Trust(authority, "curfew:"+g.deployment+":web-1:"+host.User)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// atHost is somebody's connection to the host, with a client that says what it is.
func (g *gateway) atHost(who person, version string) *ssh.Client {
	g.t.Helper()
	ctx := context.Background()
	r, err := who.Ask(ctx, client.Ask{Role: "web/ops", Resource: "web-1", For: "30m", Reason: "to see what is shown"})
	if f := client.FailureOf(err); f != nil && f.Code == "grant.exists" {
		list, listed := who.Grants(ctx, client.Listing{Status: "active"})
		for _, one := range list.Items {
			if one.Role == "web/ops" {
				r.Grant, err = one.ID, listed
			}
		}
	}
	var cred client.Credential
	if err == nil && !within(15*time.Second, func() bool {
		cred, err = who.Credential(ctx, r.Grant, client.WantCredential{Many: true, For: "30m"})
		return err == nil
	}) {
		g.t.Fatalf("credential: %v", err)
	}
	if err != nil {
		g.t.Fatalf("ask: %v", err)
	}
	var c *ssh.Client
	if !within(15*time.Second, func() bool {
		c, err = ssh.Dial("tcp", fmt.Sprintf("%s:%d", cred.Host, cred.Port), &ssh.ClientConfig{
			User: cred.User, Auth: []ssh.AuthMethod{ssh.Password(cred.Password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), ClientVersion: version, Timeout: 10 * time.Second,
		})
		return err == nil
	}) {
		g.t.Fatalf("ssh: %v\n%s", err, tail(g.log()))
	}
	g.t.Cleanup(func() { _ = c.Close() })
	return c
}
