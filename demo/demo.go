// Package demo plays the life of one access on a real PostgreSQL of its own, and of
// others on a real SSH host and a real MariaDB where those can be, step by step with the command that did it, and then stays up to be tried. It drives
// the program from outside, as a person would, and leaves nothing behind.
package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/servers"
)

// deployment is the demo's own name: its accounts are nobody else's.
const deployment = "demo"

// story is one run of the demo.
type story struct {
	out     io.Writer
	folder  string
	program string // this executable
	pg      *servers.Postgres
	host    *servers.SSH     // nil: left out
	office  *office          // nil: left out
	stock   *servers.MariaDB // nil: left out
	gateway *process
	api     string
	console string // where browsers sign in
	apps    string // where they find applications, * for the name of one
	genesis string
	steps   int
	failed  []string
	moment  time.Time // when Alice had access
}

// Run plays the story, then stays up until ctx ends; with ONCE=1 in the
// environment it ends after the story, with an error if a step did not do what it says.
func Run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		return curfew.Errorf(curfew.Invalid, "curfew demo takes no arguments; %.40q is one", args[0])
	}
	program, err := os.Executable()
	if err != nil {
		return curfew.Wrap(curfew.Internal, err, "find the own program")
	}
	folder, err := os.MkdirTemp("", "curfew-demo-")
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "make a temporary folder")
	}
	s := &story{out: os.Stdout, folder: folder, program: program}
	defer s.clean()
	if err := s.setUp(ctx); err != nil {
		return err
	}
	s.play(ctx)
	if err := ctx.Err(); err != nil {
		return nil //nolint:nilerr // Ctrl-C is how a demo ends
	}
	if len(s.failed) > 0 {
		fmt.Fprintf(s.out, "\n%d of %d steps did not do what they say:\n  %s\n", len(s.failed), s.steps, strings.Join(s.failed, "\n  "))
		return curfew.Errorf(curfew.Internal, "the story did not go as told")
	}
	fmt.Fprintf(s.out, "\nEvery one of the %d steps did what it says.\n", s.steps)
	if os.Getenv("ONCE") == "1" {
		return nil
	}
	s.invite()
	<-ctx.Done()
	return nil
}

func (s *story) clean() {
	if s.gateway != nil {
		s.gateway.stop()
	}
	if s.host != nil {
		_ = s.host.Stop()
	}
	if s.office != nil {
		_ = s.office.server.Close()
	}
	if s.stock != nil {
		_ = s.stock.Stop()
	}
	if s.pg != nil {
		_ = s.pg.Stop()
	}
	_ = os.RemoveAll(s.folder)
}

// setUp starts the target and the gateway.
func (s *story) setUp(ctx context.Context) error {
	fmt.Fprintln(s.out, "Curfew demo · loopback only, everything in a temporary folder, thrown away at the end")
	var err error
	if s.pg, err = servers.StartPostgres(ctx, s.folder); err != nil {
		return err
	}
	if err := s.pg.Prepare(ctx, "shop"); err != nil {
		return err
	}
	if err := s.pg.Exec(ctx, "shop", shop()...); err != nil {
		return curfew.Wrap(curfew.Internal, err, "fill the shop")
	}
	fmt.Fprintf(s.out, "\n  Target     shop-db  a real PostgreSQL %s of its own, 2,000 orders\n", s.pg.Version)
	s.startHost(ctx)
	s.startStock(ctx)
	s.startOffice()
	resource, role, hosts := s.hostPolicy()
	application, desk, offices := s.officePolicy()
	goods, counter, counting := s.stockPolicy()
	resource, role, hosts = resource+application+goods, role+desk+counter, hosts+offices+counting
	if err := os.WriteFile(s.file("curfew.yaml"), []byte(fmt.Sprintf(policy, s.pg.Address(), resource, role, hosts)), 0o600); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the configuration")
	}
	s.gateway, err = s.startGateway()
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "  Gateway    %s, deployment %s\n  Console    %s\n  People     Alice asks · Dana approves · Tom audits · Ben set it up\n", s.api, deployment, s.console)
	return nil
}

func (s *story) file(name string) string { return filepath.Join(s.folder, name) }

// shop is what the target holds.
func shop() []string {
	return []string{
		`SET ROLE app_owner`,
		`CREATE TABLE orders (id serial PRIMARY KEY, customer text, total int)`,
		`INSERT INTO orders (customer, total) SELECT 'customer ' || i, i % 90 + 10 FROM generate_series(1, 2000) i`,
		`CREATE TABLE refunds (id serial PRIMARY KEY, order_id int, status text, note text)`,
		`INSERT INTO refunds (order_id, status, note) SELECT i * 7, 'pending', '' FROM generate_series(1, 38) i`,
		`CREATE TABLE salaries (who text, amount int)`,
		`INSERT INTO salaries VALUES ('everybody', 1)`,
	}
}

// policy is the demo's configuration.
const policy = `curfew: v1

people:
  ben@shop.example:   { name: Ben Okafor }
  alice@shop.example: { name: Alice Moreau }
  dana@shop.example:  { name: Dana Silva }
  erin@shop.example:  { name: Erin Park }
  tom@shop.example:   { name: Tom Becker }

groups:
  payments: [alice@shop.example, dana@shop.example, erin@shop.example]
  auditors: [tom@shop.example]
  administrators: [ben@shop.example, dana@shop.example]

resources:
  shop-db:
    type: postgres
    address: %s
    login: env:SHOP
    account: leased
%s
roles:
  shop/refund-fixer:
    about: Unstick refunds, nothing else.
    on: shop-db
    may:
      - read orders
      - read refunds
      - update refunds (status, note)
    never: [delete, change schema]
    longest: 2h
%s
policies:
  fix-refunds:
    who: payments
    may have: shop/refund-fixer
    needs:
      - approvals: 1
        from: payments
        not: requester
    at most: 45m
    answer within: 30m
%s
tests:
  - alice can have shop/refund-fixer, after 1 approval
  - tom cannot have shop/refund-fixer
`

// invite says what to try while the demo stays up.
func (s *story) invite() {
	fmt.Fprintf(s.out, `
It stays up until Ctrl-C. In a second terminal, as Alice:

  export CURFEW_CONFIG_DIR=%s
  %s connect shop-db --role shop/refund-fixer --for 2m --reason "to try it"

and in a third, as Dana (her passphrase is: %s):

  export CURFEW_CONFIG_DIR=%s
  %s review
  %s approve 1

Then look at it as Tom (CURFEW_CONFIG_DIR=%s): %s audit

In a browser: %s
opens the console for Erin, who approves too (choose her a passphrase). Let Alice connect as above, press A, watch her, cut her with X.
The others sign in at %s
`, s.file("alice"), s.program, passphrase("dana"), s.file("dana"), s.program, s.program, s.file("tom"), s.program, s.link("erin"), s.console)
	fmt.Fprint(s.out, s.browse())
}

// link is a first sign-in link of somebody; where it cannot be made, the console's address.
func (s *story) link(who string) string {
	a, err := s.as("ben", passphrase("ben")+"\n", "invite", who+"@shop.example", "--passphrase-stdin", "--json")
	var invited struct{ Link string }
	if err != nil || json.Unmarshal([]byte(strings.TrimSpace(a.text)), &invited) != nil || invited.Link == "" {
		return s.console
	}
	if !strings.HasPrefix(invited.Link, "http") {
		return s.console + "/join?key=" + invited.Link
	}
	return invited.Link
}

func passphrase(who string) string { return who + " keeps her word" }

// step tells a step, runs it, and notes whether it did what it says.
func (s *story) step(title string, f func() error) {
	s.steps++
	fmt.Fprintf(s.out, "\n%d. %s\n", s.steps, title)
	if err := f(); err != nil {
		fmt.Fprintf(s.out, "   ✗ %v\n", err)
		s.failed = append(s.failed, fmt.Sprintf("%d. %s: %v", s.steps, title, err))
	}
}

func wrong(format string, args ...any) error { return fmt.Errorf(format, args...) }
