// Package ssh speaks SSH: to clients with their own ssh, scp, sftp, rsync and
// git, who show who they are by a certificate or hold a connection credential, to
// hosts with a certificate made for one session. It judges and records every
// channel, and forwards nothing that it does not understand.
package ssh
