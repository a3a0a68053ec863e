package cli

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/curfewhq/curfew/client"
)

// clientFiles writes what a resource's client reads into dir and returns the
// environment that leads to it.
func clientFiles(dir string, cred client.Credential) ([]string, error) {
	switch cred.Engine {
	case "postgres":
		return postgresFiles(dir, cred)
	case "ssh":
		return sshFiles(dir, cred)
	case "http":
		return webFiles(dir, cred)
	case "tcp":
		return nil, failed(exitFailed, "engine.tcp", "no variables lead to "+clean(cred.Database)+": it is reached through a port of this machine", "curfew connect "+clean(cred.Database), "curfew run "+clean(cred.Database)+" -- COMMAND")
	}
	return nil, failed(exitFailed, "engine.unknown", fmt.Sprintf("this curfew knows no client for %q", clean(cred.Engine)))
}

const sshConfigName = "config"

// sshFiles writes a configuration for ssh, the gateway's host key, the credential,
// and a program that ssh asks for it: it is in no argument and no variable.
func sshFiles(dir string, cred client.Credential) ([]string, error) {
	for _, text := range []string{dir, cred.Host, cred.Database, cred.User, cred.Password, cred.TLS} {
		if strings.ContainsAny(text, "\r\n\x00\"'") {
			return nil, fmt.Errorf("write the credential: a line break or a quote in it")
		}
	}
	if strings.ContainsAny(cred.Database, " \t*?!,%$") {
		return nil, fmt.Errorf("write the credential: ssh takes %q for a pattern", clean(cred.Database))
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	config := strings.Join([]string{
		"Host " + cred.Database, "HostName " + cred.Host, "Port " + strconv.Itoa(cred.Port), "User " + cred.Database,
		"UserKnownHostsFile \"" + in("known_hosts") + "\"", "GlobalKnownHostsFile /dev/null", "StrictHostKeyChecking yes", "PubkeyAuthentication no",
		"PreferredAuthentications password", "NumberOfPasswordPrompts 1", "BatchMode no", "ForwardX11 no", "",
	}, "\n")
	known := "[" + cred.Host + "]:" + strconv.Itoa(cred.Port) + " " + cred.TLS + "\n"
	if cred.Port == 22 {
		known = cred.Host + " " + cred.TLS + "\n"
	}
	for name, text := range map[string]string{
		sshConfigName: config, "known_hosts": known, passName: cred.User + "." + cred.Password + "\n",
		"ask": "#!/bin/sh\nexec cat '" + in(passName) + "'\n",
	} {
		if err := writeNew(in(name), text); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(in("ask"), 0o700); err != nil {
		return nil, fmt.Errorf("write the credential: %w", err)
	}
	ssh := "ssh -F '" + in(sshConfigName) + "'"
	return []string{
		"SSH_ASKPASS=" + in("ask"), "SSH_ASKPASS_REQUIRE=force", "CURFEW_SSH_CONFIG=" + in(sshConfigName),
		"GIT_SSH_COMMAND=" + ssh, "RSYNC_RSH=" + ssh, "CURFEW_SSH=" + net.JoinHostPort(cred.Host, strconv.Itoa(cred.Port)),
	}, nil
}

// nativeArgs is how a resource's own client is called.
func (a *app) nativeArgs(dir string, g client.Grant, cred client.Credential, args []string) []string {
	switch cred.Engine {
	case "http":
		return curlArgs(dir, cred, args)
	case "ssh":
		return append([]string{"ssh", "-F", filepath.Join(dir, sshConfigName), cred.Database}, args...)
	}
	return append([]string{"psql", "-v", "PROMPT1=" + a.psqlPrompt(g.ID), "-v", "PROMPT2=" + "%/ %R%# "}, args...)
}
