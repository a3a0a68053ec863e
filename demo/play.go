package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
)

// play tells the story.
func (s *story) play(ctx context.Context) {
	s.step("Ben says who may have what, and looks at it before it counts", s.configure)
	s.step("The others sign in, each by a link of their own that works once", s.people)
	s.step("Alice has no access; she asks for a role, with a reason", s.ask)
	s.step("She cannot approve it herself", func() error {
		a, err := s.show("alice", passphrase("alice")+"\n", 3, "approve", s.request(), "--passphrase-stdin", "--yes")
		if err != nil {
			return err
		}
		return has(a, "own request")
	})
	s.step("Dana sees what it would do, and approves exactly that", s.approve)
	s.step("Alice works with her own psql, as a temporary account made for this grant", s.work)
	s.step("A table outside the role is refused by the database itself", func() error {
		a, err := s.show("alice", "", 1, "connect", "shop-db", "--", "-c", "SELECT * FROM salaries")
		if err != nil {
			return err
		}
		return has(a, "permission denied for table salaries")
	})
	if ctx.Err() != nil {
		return
	}
	s.step("She is warned, and cut on time in the middle of a statement", s.cut)
	s.step("Nothing of it is left at the target, and what would have come after the sleep never came", func() error { return s.gone(ctx) })
	s.step("What she did is on record, and who looked at it too", s.record)
	s.step("Tom finds it again by its words, and sees no value; Alice takes it away as evidence, and one value edited in it is named", s.evidence)
	if s.host != nil {
		s.step("Ben has the owner of web-1 trust this Curfew, and looks whether it works", s.trust)
		s.step("Alice works there with her own ssh; what she leaves running ends with her grant", s.onHost)
	}
	if s.stock != nil {
		s.step("In a MariaDB she counts with her own client, as an account made for it; given back, the account is gone there", s.inStock)
		s.step("Where one account serves all, the gateway reads each statement itself, and refuses what servers read differently", s.inBooks)
	}
	if s.office != nil {
		s.step("In the back office she may retry a refund; what her role leaves out is not even sent, however it is written", s.inOffice)
	}
	s.step("Tom asks who could reach shop-db while she worked, and by which path", s.whoCould)
	s.step("Anybody can check the ledger offline, with the first key alone", s.verify)
	s.step("Somebody edits one event in a copy: it is named", s.tamper)
}

func (s *story) configure() error {
	if _, err := s.show("ben", "", 0, "plan", "-f", s.file("curfew.yaml")); err != nil {
		return err
	}
	a, err := s.show("ben", passphrase("ben")+"\n", 0, "apply", "-f", s.file("curfew.yaml"), "--passphrase-stdin", "--yes", "-q")
	if err != nil {
		return err
	}
	_ = a
	return nil
}

func (s *story) people() error {
	for _, who := range []string{"alice", "dana", "tom"} {
		a, err := s.as("ben", passphrase("ben")+"\n", "invite", who+"@shop.example", "--passphrase-stdin", "--json")
		if err != nil {
			return err
		}
		var invited struct{ Link string }
		if err := json.Unmarshal([]byte(strings.TrimSpace(a.text)), &invited); err != nil || invited.Link == "" {
			return wrong("no link for %s: %s", who, a.text)
		}
		fmt.Fprintf(s.out, "   ben$ curfew invite %s@shop.example\n", who)
		if !strings.HasPrefix(invited.Link, "http") {
			invited.Link = s.api + "/join?key=" + invited.Link
		}
		b, err := s.as(who, passphrase(who)+"\n", "login", invited.Link, "--passphrase-stdin")
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "   %s$ curfew login 'http://…/join?key=…'\n", who)
		s.print(b.text)
		if b.code != 0 {
			return wrong("it ended with status %d", b.code)
		}
	}
	return nil
}

// lasts is how long Alice asks for: long enough to work, short enough to watch.
const lasts = "35s"

func (s *story) ask() error {
	a, err := s.show("alice", "", 5, "request", "shop/refund-fixer", "--for", lasts, "--reason", "38 refunds are stuck since the deploy", "--no-wait")
	if err != nil {
		return err
	}
	return has(a, "Dana Silva may decide")
}

// request is the identifier of the newest request of Alice's.
func (s *story) request() string { return s.newest("requests", "alice") }

func (s *story) newest(list, who string, more ...string) string {
	a, err := s.as(who, "", append([]string{list, "--json"}, more...)...)
	if err != nil {
		return ""
	}
	dec := json.NewDecoder(strings.NewReader(a.text))
	for dec.More() {
		var v struct {
			ID    string
			Items []struct{ ID string }
		}
		if dec.Decode(&v) != nil {
			return ""
		}
		if v.ID != "" {
			return v.ID
		}
		if len(v.Items) > 0 {
			return v.Items[0].ID
		}
	}
	return ""
}

func (s *story) approve() error {
	if _, err := s.show("dana", "", 0, "review"); err != nil {
		return err
	}
	a, err := s.show("dana", passphrase("dana")+"\n", 0, "approve", "1", "--passphrase-stdin", "--yes")
	if err != nil {
		return err
	}
	return has(a, "38 refunds are stuck", "no deletes, no schema changes")
}

func (s *story) work() error {
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if a, err := s.as("alice", "", "grants"); err == nil && strings.Contains(a.text, "left") {
			break
		}
	}
	s.moment = time.Now().Add(time.Second)
	a, err := s.show("alice", "", 0, "connect", "shop-db", "--",
		"-c", "SELECT count(*) AS stuck FROM refunds WHERE status = 'pending'",
		"-c", "UPDATE refunds SET status = 'retry' WHERE status = 'pending'",
		"-c", "SELECT current_user")
	if err != nil {
		return err
	}
	return has(a, "38", "UPDATE 38", "curfew_"+deployment+"_l_", "Curfew: shop-db as shop/refund-fixer until")
}

func (s *story) cut() error {
	a, err := s.show("alice", "", 124, "connect", "shop-db", "--",
		"-c", "SELECT pg_sleep(21)", "-c", "SELECT 'still working'", "-c", "SELECT pg_sleep(60); UPDATE refunds SET note = 'too late'")
	if err != nil {
		return err
	}
	return has(a, "Curfew: access to shop-db ends in", "Curfew: your access to shop-db ended at", "Its time is over")
}

func (s *story) gone(ctx context.Context) error {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		a, err := s.as("tom", "", "audit", "--kind", "grant.verified", "--json")
		if err == nil && strings.Contains(a.text, "grant.verified") {
			break
		}
	}
	if err := s.target(ctx, `SELECT count(*)::text FROM pg_roles WHERE starts_with(rolname, 'curfew_`+deployment+`_l_')`, "0"); err != nil {
		return err
	}
	if err := s.target(ctx, `SELECT count(*)::text FROM pg_stat_activity WHERE starts_with(usename, 'curfew_`+deployment+`_l_')`, "0"); err != nil {
		return err
	}
	return s.target(ctx, `SELECT count(*)::text FROM refunds WHERE note = 'too late'`, "0")
}

func (s *story) record() error {
	id := s.newest("sessions", "alice")
	if id == "" {
		return wrong("there is no session on record")
	}
	a, err := s.show("alice", "", 0, "transcript", id)
	if err != nil {
		return err
	}
	if err := has(a, "pg_sleep(60)"); err != nil {
		return err
	}
	b, err := s.show("tom", "", 0, "audit", "--kind", "recording.")
	if err != nil {
		return err
	}
	return has(b, "Alice Moreau")
}

func (s *story) evidence() error {
	a, err := s.show("tom", "", 0, "sessions", "search", "refunds", "status", "--person", "alice")
	if err != nil {
		return err
	}
	if err := has(a, "UPDATE refunds SET status = ?"); err != nil {
		return err
	}
	if strings.Contains(a.text, "retry") {
		return wrong("a value is shown to who may see shapes only")
	}
	a, err = s.as("alice", "", "sessions", "search", "refunds", "retry", "--json")
	if err != nil {
		return err
	}
	var hit struct{ Session struct{ ID string } }
	if err := json.NewDecoder(strings.NewReader(a.text)).Decode(&hit); err != nil || hit.Session.ID == "" {
		return wrong("Alice does not find her own statement: %s", a.text)
	}
	if _, err := s.show("alice", "", 0, "sessions", "export", hit.Session.ID, "-o", s.file("session.evidence")); err != nil {
		return err
	}
	if a, err = s.show("alice", "", 0, "sessions", "verify", s.file("session.evidence"), "--genesis-key", s.genesis); err != nil {
		return err
	}
	if err := has(a, "Nothing was changed"); err != nil {
		return err
	}
	text, err := os.ReadFile(s.file("session.evidence"))
	if err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "read the evidence")
	}
	fmt.Fprintln(s.out, "   mallory$ sed \"s/'retry'/'never'/\" session.evidence > edited.evidence")
	if err := os.WriteFile(s.file("edited.evidence"), bytes.Replace(text, []byte("'retry'"), []byte("'never'"), 1), 0o600); err != nil {
		return curfew.Wrap(curfew.Unavailable, err, "write the evidence")
	}
	if a, err = s.show("tom", "", 1, "sessions", "verify", s.file("edited.evidence"), "--genesis-key", s.genesis); err != nil {
		return err
	}
	return has(a, "was edited: it is not what was recorded")
}

func (s *story) whoCould() error {
	a, err := s.show("tom", "", 0, "who-can", "shop-db", "--at", s.moment.UTC().Format(time.RFC3339))
	if err != nil {
		return err
	}
	return has(a, "Alice Moreau", "Dana Silva")
}

func (s *story) verify() error {
	if _, err := s.show("tom", "", 0, "ledger", "export", "-o", s.file("ledger.curfew")); err != nil {
		return err
	}
	a, err := s.show("tom", "", 0, "ledger", "verify", s.file("ledger.curfew"), "--genesis-key", s.genesis)
	if err != nil {
		return err
	}
	return has(a, "is whole", "Every law holds")
}

func (s *story) tamper() error {
	text, err := os.ReadFile(s.file("ledger.curfew"))
	if err != nil {
		return err
	}
	edited := bytes.Replace(text, []byte(`"cause":"expired"`), []byte(`"cause":"revoked"`), 1)
	if bytes.Equal(text, edited) {
		return wrong("there is no event to edit")
	}
	fmt.Fprintln(s.out, "   mallory$ sed s/expired/revoked/ ledger.curfew > edited.curfew")
	if err := os.WriteFile(s.file("edited.curfew"), edited, 0o600); err != nil {
		return err
	}
	a, err := s.show("tom", "", 1, "ledger", "verify", s.file("edited.curfew"), "--genesis-key", s.genesis)
	if err != nil {
		return err
	}
	return has(a, "event ", "was edited")
}
