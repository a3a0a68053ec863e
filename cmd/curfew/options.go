package main

import (
	"flag"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// options are what `curfew up` is told.
type options struct {
	data, node  string
	http        string
	url         string // what browsers call the API's listener; "": worked out
	postgres    string
	mysql       string // "": none
	ssh         string // "": none
	apps        string // "": none
	appsURL     string // what browsers call applications, * for the name of one; "": worked out
	tcp         string // "": none
	metrics     string // "": none
	deployment  string
	admin       string
	credentials string
	tlsCert     string
	tlsKey      string
	names       []string // further host names and addresses of the listeners
	notices     []time.Duration
	witness     string
	addresses   string // a file that gets the addresses, one a line; for scripts
	quiet       bool
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var notices, names string
	f := flag.NewFlagSet("curfew up", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.data, "data", "curfew-data", "folder of the ledger, the recordings and the rest of the state")
	f.StringVar(&o.node, "node", "curfew-node", "folder of this node's keys and memory; never in the same backup as the data")
	f.StringVar(&o.http, "http", "127.0.0.1:7080", "address of the API; plain on loopback, TLS elsewhere")
	f.StringVar(&o.url, "url", "", "address of the console as browsers name it, for example https://curfew.example.com; default: a name of this machine")
	f.StringVar(&o.postgres, "postgres", "127.0.0.1:7432", "address for PostgreSQL clients")
	f.StringVar(&o.mysql, "mysql", "127.0.0.1:7306", "address for MySQL and MariaDB clients; empty: none")
	f.StringVar(&o.ssh, "ssh", "127.0.0.1:7022", "address for SSH clients; empty: none")
	f.StringVar(&o.apps, "apps", "127.0.0.1:7443", "address for web applications behind the gateway, each by a name of its own; empty: none")
	f.StringVar(&o.appsURL, "apps-url", "", "address of applications as browsers name them, * for the name of one, on a domain that is not the console's: https://*.apps.example.net; default: names of this machine")
	f.StringVar(&o.tcp, "tcp", "127.0.0.1:7400", "address for anything else on TCP, which curfew connect speaks to; empty: none")
	f.StringVar(&o.metrics, "metrics", "", "loopback address for Prometheus, for example 127.0.0.1:7090; default: none")
	f.StringVar(&o.deployment, "deployment", "", "name of a new deployment: lower-case letters and digits; part of every account's name")
	f.StringVar(&o.admin, "admin", "admin@localhost", "e-mail address of a new deployment's first administrator")
	f.StringVar(&o.credentials, "credentials", "", "folder of target credentials (file:NAME); default: credentials in the node's folder")
	f.StringVar(&o.tlsCert, "tls-cert", "", "certificate of the listeners (PEM); default: one of an own authority")
	f.StringVar(&o.tlsKey, "tls-key", "", "its key (PEM)")
	f.StringVar(&names, "names", "", "host names and addresses that clients use for the listeners, with commas between them")
	f.StringVar(&notices, "notices", "5m,1m", "how long before the end people are told, longest first")
	f.StringVar(&o.witness, "witness", "", "file, kept elsewhere, that every signed head is appended to")
	f.StringVar(&o.addresses, "addresses", "", "file that gets the addresses that are listened on, and the sign-in link")
	f.BoolVar(&o.quiet, "quiet", false, "log warnings and errors only")
	if err := f.Parse(args); err != nil {
		return o, curfew.Wrap(curfew.Invalid, err, "curfew up")
	}
	if f.NArg() > 0 {
		return o, curfew.Errorf(curfew.Invalid, "curfew up takes no arguments, only flags; %.40q is one", f.Arg(0)).WithFix("curfew up --help")
	}
	if o.metrics != "" && !loopback(o.metrics) {
		return o, curfew.Errorf(curfew.Invalid, "--metrics: %.60q is not of this machine alone, and whoever reads metrics signs in nowhere", o.metrics).
			WithFix("give a loopback address, --metrics 127.0.0.1:7090, and let an agent on this machine pass them on")
	}
	for _, text := range strings.Split(notices, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil || d <= 0 {
			return o, curfew.Errorf(curfew.Invalid, "--notices: %.40q is no duration", text).WithFix("for example --notices 5m,1m")
		}
		o.notices = append(o.notices, d)
	}
	for _, name := range strings.Split(names, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.names = append(o.names, name)
		}
	}
	if err := o.checkURLs(); err != nil {
		return o, err
	}
	if o.credentials == "" {
		o.credentials = filepath.Join(o.node, "credentials")
	}
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return o, curfew.Errorf(curfew.Invalid, "--tls-cert and --tls-key go together")
	}
	return o, nil
}

// loopback reports whether an address is of this machine only.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
