package ssh

import (
	"strings"

	"github.com/curfewhq/curfew"
)

// What a host runs is a script in the certificate, as its forced command, so that
// nothing has to be installed there. Every process that a session starts carries two
// marks in its environment, by which it is found and ended. The scripts are one
// line, POSIX, and hold no single quote: the user's login shell reads them first.
const (
	grantMark   = "CURFEW_GRANT"
	sessionMark = "CURFEW_SESSION"
	watchWord   = "curfew watch"
	leaveWord   = "leave"
	untilWord   = "until" // and seconds: the session's end, for a host whose gateway vanished without a word
)

// sweepBody ends every process that carries the mark $M, again until there is none
// or it has been tried for some seconds; n: how many there were, k: how many are left.
// A process that has become another user can neither be seen nor ended.
const sweepBody = `n=0; i=0; while :; do k=0; for f in $(grep -lsF "$M" /proc/[0-9]*/environ); do p=${f#/proc/}; kill -KILL "${p%/environ}" 2>/dev/null && k=$((k+1)); done; ` +
	`[ $i = 0 ] && n=$k; [ $k = 0 ] && break; i=$((i+1)); [ $i -ge 60 ] && break; sleep 0.05 2>/dev/null || sleep 1; done`

// watchBody waits until its connection is gone, however that happens, or the time is
// over that it was told last, and then ends what the session started; a client that leaves
// leaves its work to the grant. A timer that is disarmed as soon as it is armed knows by $!
// whether its sleep has begun; a milder signal could be lost before that runs.
const watchBody = `T=; disarm() { [ -z "$T" ] || kill "$T" 2>/dev/null; T=; }; sweep() { M=$S; ` + sweepBody + `; }; ` +
	`arm() { disarm; (o=$!; trap "[ \"\$!\" = \"\$o\" ] || kill -KILL \$! 2>/dev/null; exit" TERM; sleep "$1" & wait $! && sweep) </dev/null >/dev/null 2>&1 & T=$!; }; ` +
	`echo watching; while read -r x y; do case "$x" in ` + leaveWord + `) disarm; exit 0;; ` + untilWord + `) arm "$y";; esac; done; disarm; sweep`

// sftpBody: a host may serve sftp within sshd itself, which a forced command
// cannot call; the same program lies in one of these places.
const sftpBody = `for s in /usr/lib/openssh/sftp-server /usr/libexec/openssh/sftp-server /usr/libexec/sftp-server /usr/lib/ssh/sftp-server; do [ -x "$s" ] && exec "$s"; done; echo "Curfew: no sftp-server on this host" >&2; exit 127`

// contained runs $0 "$@" in a namespace of its own, which ends with all that is in it.
const contained = `exec unshare --user --map-current-user --pid --fork --kill-child --mount-proc /bin/sh -c "\"\$0\" \"\$@\"; exit \$?" `

// sessionScript is the forced command of a session's certificate.
func sessionScript(grant curfew.GrantID, id curfew.SessionID, may permission, contain string) string {
	exec := "exec "
	if contain == byNamespace {
		exec = contained
	}
	body := `S=` + sessionMark + `=` + string(id) + `; if [ "$SSH_ORIGINAL_COMMAND" = "` + watchWord + `" ]; then ` + watchBody + `; exit 0; fi; ` +
		grantMark + `=` + string(grant) + `; ` + sessionMark + `=` + string(id) + `; export ` + grantMark + ` ` + sessionMark + `; unset S; `
	if forced := may.of(force); len(forced) > 0 {
		return wrapped(body + exec + `"$SHELL" -c ` + quoted(forced[0].text))
	}
	return wrapped(body + `case "$SSH_ORIGINAL_COMMAND" in "") ` + exec + `"$SHELL" -l;; internal-sftp*) ` + sftpBody + `;; *) ` + exec + `"$SHELL" -c "$SSH_ORIGINAL_COMMAND";; esac`)
}

// keeperScript is the forced command of the gateway's own certificate: it can
// sweep and look, and nothing else.
func keeperScript() string {
	return wrapped(`set -f -- $SSH_ORIGINAL_COMMAND; set +f; case "$2" in *[!A-Za-z0-9_]*) exit 64;; esac; case "$1" in ` +
		`grant) M=` + grantMark + `=$2; ` + sweepBody + `; echo "ended $n left $k";; ` +
		`session) M=` + sessionMark + `=$2; ` + sweepBody + `; echo "ended $n left $k";; ` +
		`look) M=` + sessionMark + `=$2; i=0; while :; do set -- look $(grep -lsF "$M" /proc/[0-9]*/environ); [ $# = 1 ] && break; i=$((i+1)); [ $i -ge 6 ] && break; sleep 0.05 2>/dev/null || break; done; echo "ended 0 left $(($#-1))";; ` +
		`probe) echo curfew; [ -r /proc/self/environ ] && echo proc; unshare --user --map-current-user --pid --fork --kill-child --mount-proc true 2>/dev/null && echo unshare; ` +
		`cd && for f in .ssh/authorized_keys .ssh/authorized_keys2 .ssh/rc .ssh/environment; do [ -e "$f" ] && echo "plant $f $(cksum <"$f")"; done; c=$(crontab -l 2>/dev/null) && echo "plant crontab $(echo "$c" | cksum)"; echo end;; ` +
		`*) exit 64;; esac`)
}

func wrapped(body string) string { return "exec /bin/sh -c " + quoted(body) }

// quoted makes text one word of a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
