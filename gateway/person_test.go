package gateway

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/access"
	"github.com/curfewhq/curfew/engine"
)

// TestAPersonsWaysAreOfTheDoor: what another engine speaks is not there, whoever asks; and
// nothing is for somebody whose sign-in is over.
func TestAPersonsWaysAreOfTheDoor(t *testing.T) {
	g, a := newGateway(t)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	id := g.parts.Identity
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	root, err := id.AddPerson(ctx, "Root", "root@acme.io", "")
	ok(err)
	link := curfew.SecretListed{ID: curfew.NewID("k"), Principal: root, Until: time.Now().Add(time.Hour)}
	_, err = a.Do(ctx, access.IssueLink{SecretListed: link})
	ok(err)
	_, err = a.Do(ctx, access.Join{Link: link.ID, Passphrase: curfew.SecretListed{ID: string(root), Principal: root}})
	ok(err)
	c := curfew.Config{
		Groups:    map[curfew.GroupName][]curfew.Principal{curfew.Administrators: {root}},
		Resources: map[curfew.ResourceName]curfew.Resource{}, Roles: map[curfew.RoleName]curfew.Role{}, Policies: map[curfew.PolicyName]curfew.Policy{},
	}
	for name, speaks := range map[string]curfew.EngineType{"web": "ssh", "db": "postgres"} {
		c.Resources[curfew.ResourceName(name)] = curfew.Resource{Name: curfew.ResourceName(name), Type: speaks, Address: name + ":1", Account: curfew.Fixed}
		c.Roles[curfew.RoleName(name+"/use")] = curfew.Role{Name: curfew.RoleName(name + "/use"), On: curfew.ResourceName(name), May: []string{"use"}, Longest: time.Hour}
		c.Policies[curfew.PolicyName(name)] = curfew.Policy{Name: curfew.PolicyName(name), Who: []curfew.Subject{{Principal: root}}, Roles: []curfew.RoleName{curfew.RoleName(name + "/use")}, AnswerWithin: time.Hour, UseWithin: time.Hour, Starts: curfew.AtApproval, Record: curfew.RecordLive}
	}
	_, err = a.Do(ctx, access.Propose{Change: a.Plan(c), Author: root})
	ok(err)
	token, until, err := id.IssueToken(ctx, root, "a laptop")
	ok(err)
	p := engine.Person{Principal: root, SignIn: strings.Split(token, ".")[1], Until: until}
	d := door{g, "ssh"}
	if held, open := d.Paths(p, "web"); len(held) != 0 || len(open) != 1 || open[0].Role != "web/use" || open[0].Longest != time.Hour || !open[0].Alone {
		t.Errorf("%+v %+v", held, open)
	}
	if held, open := d.Paths(p, "db"); len(held)+len(open) != 0 {
		t.Errorf("of another door: %+v %+v", held, open)
	}
	if names := d.Reaches(p); !slices.Equal(names, []curfew.ResourceName{"web"}) {
		t.Errorf("%q", names)
	}
	path := engine.Path{Role: "db/use", Resource: "db"}
	if _, err := d.OpenAs(ctx, p, path, engine.Question{For: time.Minute, Reason: "why not"}, access.Claim{Client: "192.0.2.1:1"}, nil); curfew.CodeOf(err) != curfew.Denied {
		t.Errorf("opened through another door: %v", err)
	}
	for name, other := range map[string]engine.Person{
		"without a sign-in": {Principal: root, Until: until}, "with somebody else's": {Principal: "p_0000000000000000", SignIn: p.SignIn, Until: until},
		"of another generation": {Principal: root, SignIn: p.SignIn, Generation: 7, Until: until}, "over": {Principal: root, SignIn: p.SignIn},
	} {
		if held, open := d.Paths(other, "web"); len(held)+len(open)+len(d.Reaches(other)) != 0 {
			t.Errorf("%s: %+v %+v", name, held, open)
		}
		if _, err := d.OpenAs(ctx, other, engine.Path{Role: "web/use", Resource: "web"}, engine.Question{For: time.Minute, Reason: "x"}, access.Claim{Client: "192.0.2.1:1"}, nil); curfew.CodeOf(err) != curfew.NotSignedIn {
			t.Errorf("%s: %v", name, err)
		}
	}
	ok(id.SignOut(ctx, root, p.SignIn))
	if held, open := d.Paths(p, "web"); len(held)+len(open) != 0 {
		t.Errorf("signed out: %+v %+v", held, open)
	}
}
