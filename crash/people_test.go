package crash

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/curfewhq/curfew/client"
	"github.com/curfewhq/curfew/servers"
)

// configuration: whoever works gets to read at once, and to mend when a lead agrees.
const configuration = `curfew: v1

people:
  ada@shop.example:  { name: Ada Admin }
  lea@shop.example:  { name: Lea Lead }
  w1@shop.example:   { name: Worker One }
  w2@shop.example:   { name: Worker Two }
  w3@shop.example:   { name: Worker Three }

groups:
  workers: [w1@shop.example, w2@shop.example, w3@shop.example]
  leads: [lea@shop.example]
  administrators: [ada@shop.example]

resources:
  shop-db:
    type: postgres
    address: %s
    login: env:SHOP
    account: leased

roles:
  shop/reader:
    on: shop-db
    may: [read orders]
    longest: 2h
  shop/mender:
    on: shop-db
    may: [read refunds, "update refunds (status, note)"]
    longest: 2h

policies:
  look:
    who: workers
    may have: shop/reader
    at most: 1h
  mend:
    who: workers
    may have: shop/mender
    needs:
      - approvals: 1
        from: leads
        not: requester
    at most: 1h
`

func configurationOf(pg *servers.Postgres) string { return fmt.Sprintf(configuration, pg.Address()) }

// person is somebody who has signed in.
type person struct {
	*client.Client
	email string
	token string
}

func passphrase(email string) string { return "the long passphrase of " + email }

func (g *gateway) api(token string) *client.Client {
	g.t.Helper()
	c, err := client.New("http://"+g.http, token, client.Options{Timeout: 10 * time.Second})
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

// join signs somebody in for the first time.
func (g *gateway) join(email, link string) person {
	g.t.Helper()
	_, link, _ = strings.Cut(link, "#")
	in, err := g.api("").SignIn(context.Background(), client.SignIn{Link: link, Passphrase: passphrase(email), Device: "test"})
	if err != nil {
		g.t.Fatalf("%s signs in: %v", email, err)
	}
	return person{g.api(in.Token), email, in.Token}
}

// everybody starts the deployment: the configuration is applied and all have signed
// in, with as many more workers.
func (g *gateway) everybody(pg *servers.Postgres, more ...string) map[string]person {
	g.t.Helper()
	ctx := context.Background()
	ada := g.join("ada@shop.example", g.said["link"])
	all := map[string]person{"ada": ada}
	text := configurationOf(pg)
	for _, who := range more {
		text = strings.Replace(text, "\ngroups:\n  workers: [", "  "+who+"@shop.example: { name: Worker }\n\ngroups:\n  workers: ["+who+"@shop.example, ", 1)
	}
	files := client.Files{Files: []client.File{{Name: "curfew.yaml", Text: text}}}
	plan, err := ada.Plan(ctx, files)
	if err != nil || len(plan.Problems) > 0 {
		g.t.Fatalf("plan: %v %+v", err, plan.Problems)
	}
	files.Plan, files.Passphrase = plan.ID, passphrase(ada.email)
	if plan, err = ada.Apply(ctx, files); err != nil || plan.Status != "applied" {
		g.t.Fatalf("apply: %s %v", plan.Status, err)
	}
	for _, who := range append([]string{"lea", "w1", "w2", "w3"}, more...) {
		email := who + "@shop.example"
		in, err := ada.Invite(ctx, client.Invite{Email: email, Passphrase: passphrase(ada.email)})
		if err != nil {
			g.t.Fatalf("invite %s: %v", who, err)
		}
		all[who] = g.join(email, "#"+in.Link[strings.LastIndex(in.Link, "#")+1:])
	}
	return all
}

// dial connects as a native client does.
func dial(ctx context.Context, c client.Credential) (*pgx.Conn, error) {
	return dialAs(ctx, c, "")
}

// dialAs is dial by a program that says what it is called.
func dialAs(ctx context.Context, c client.Credential, program string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	u := url.URL{Scheme: "postgres", User: url.UserPassword(c.User, c.Password), Host: fmt.Sprintf("%s:%d", c.Host, c.Port), Path: "/" + c.Database, RawQuery: "sslmode=require"}
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, err
	}
	if program != "" {
		config.RuntimeParams["application_name"] = program
	}
	return pgx.ConnectConfig(ctx, config)
}

// given asks for the reader's role and waits until the grant's clock runs.
func (g *gateway) given(who person) client.Grant {
	g.t.Helper()
	return g.givenFor(who, "30m")
}

func (g *gateway) givenFor(who person, long string) client.Grant {
	g.t.Helper()
	ctx := context.Background()
	r, err := who.Ask(ctx, client.Ask{Role: "shop/reader", For: long, Reason: "to see what breaks"})
	if err != nil || r.Grant == "" {
		g.t.Fatalf("ask: %+v %v", r, err)
	}
	var got client.Grant
	if !within(15*time.Second, func() bool {
		got, err = who.Grant(ctx, r.Grant, r.Position)
		return err == nil && got.Status == "active"
	}) {
		g.t.Fatalf("the grant did not start: %+v %v\n%s", got, err, tail(g.log()))
	}
	return got
}

// connected opens a session under a grant; the credential is good for more.
func (g *gateway) connected(who person, grant string) (*pgx.Conn, client.Credential) {
	g.t.Helper()
	ctx := context.Background()
	cred, err := who.Credential(ctx, grant, client.WantCredential{Many: true, For: "30m"})
	if err != nil {
		g.t.Fatalf("credential: %v", err)
	}
	conn, err := dial(ctx, cred)
	if err != nil {
		g.t.Fatalf("connect: %v\n%s", err, tail(g.log()))
	}
	g.t.Cleanup(func() { _ = conn.Close(ctx) })
	return conn, cred
}

// works runs a statement that the reader's role allows.
func works(conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var n int
	return conn.QueryRow(ctx, "SELECT count(*) FROM orders").Scan(&n)
}
