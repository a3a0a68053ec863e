// Package ssh speaks SSH: to clients with their own ssh, scp, sftp, rsync and
// git, to hosts with a certificate made for one session. It judges and records
// every channel, and forwards nothing that it does not understand.
package ssh
