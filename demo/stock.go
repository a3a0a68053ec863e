package demo

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/curfewhq/curfew"
	"github.com/curfewhq/curfew/servers"
)

// startStock starts a MariaDB where its programs are here; otherwise it is left out, and what would
// install it is named.
func (s *story) startStock(ctx context.Context) {
	stock, err := servers.StartMariaDB(ctx, servers.MariaDBOptions{Folder: s.folder})
	if _, missing := exec.LookPath("mariadb"); err == nil && missing != nil {
		err = errors.Join(curfew.Errorf(curfew.NotFound, "no MariaDB client is installed").WithFix("on Debian: apt-get install mariadb-client"), stock.Stop())
	}
	if err == nil {
		err = errors.Join(stock.Exec(ctx, "", "CREATE DATABASE stock", "CREATE TABLE stock.items (id INT PRIMARY KEY, name VARCHAR(40), left_over INT)",
			"INSERT INTO stock.items VALUES (1, 'lamp', 40), (2, 'chair', 7), (3, 'clock', 0)", "CREATE TABLE stock.suppliers (name VARCHAR(40), price INT)", "INSERT INTO stock.suppliers VALUES ('everybody', 1)",
			"CREATE USER ledgers IDENTIFIED BY '"+servers.AdminPassword+"'", "GRANT ALL ON stock.* TO ledgers"), stock.MakeAdmin(ctx, "curfew", "stock"))
	}
	if e := new(curfew.Error); errors.As(err, &e) {
		fmt.Fprintf(s.out, "             stock-db left out: %s; %s\n", e.Message, e.Fix)
		return
	}
	s.stock = stock
	fmt.Fprintf(s.out, "             stock-db a real MariaDB of its own; books-db is the same with one account for all\n")
}

// stockLogins are the gateway's credentials for it.
func (s *story) stockLogins() []string {
	if s.stock == nil {
		return nil
	}
	return []string{
		"CURFEW_LOGIN_STOCK=" + s.stock.URL("curfew", servers.AdminPassword, "stock"), "CURFEW_LOGIN_BOOKS=" + s.stock.URL("ledgers", servers.AdminPassword, "stock"),
	}
}

// stockPolicy is what the configuration says of it.
func (s *story) stockPolicy() (resource, role, policy string) {
	if s.stock == nil {
		return "", "", ""
	}
	return "  stock-db:\n    type: mysql\n    address: " + s.stock.Address() + "\n    login: env:STOCK\n" +
			"  books-db:\n    type: mysql\n    address: " + s.stock.Address() + "\n    login: env:BOOKS\n    account: fixed\n",
		"  stock/counter:\n    about: Count what is left.\n    on: stock-db\n    may: [read items, update items (left_over)]\n    longest: 1h\n" +
			"  books/reader:\n    about: Look at what is left.\n    on: books-db\n    may: [read items]\n    longest: 1h\n",
		"  count-stock:\n    who: payments\n    may have: [stock/counter, books/reader]\n    at most: 10m\n"
}

// count asks the MariaDB itself, as its superuser.
func (s *story) count(sql, want string) error {
	fmt.Fprintf(s.out, "   stock-db# %s\n", sql)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got, err := s.stock.One(context.Background(), "stock", sql)
		if err != nil {
			return err
		}
		if got == want || time.Now().After(end) {
			s.print(got)
			if got != want {
				return wrong("the target says %s, not %s", got, want)
			}
			return nil
		}
	}
}

func (s *story) inStock() error {
	if _, err := s.show("alice", "", 0, "request", "stock/counter", "--for", "5m", "--reason", "count the clocks"); err != nil {
		return err
	}
	a, err := s.show("alice", "", 0, "connect", "stock-db", "--", "-t", "-e", "UPDATE items SET left_over = 12 WHERE name = 'clock'; SELECT name, left_over FROM items; SELECT CURRENT_USER()")
	if err != nil {
		return err
	}
	if err := has(a, "clock", "12", "curfew_"+deployment+"_l_"); err != nil {
		return err
	}
	if a, err = s.show("alice", "", 1, "connect", "stock-db", "--", "-e", "SELECT * FROM suppliers"); err != nil {
		return err
	}
	if err := has(a, "ERROR 1142"); err != nil {
		return err
	}
	if err := s.count("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'curfew\\_"+deployment+"\\_l\\_%'", "1"); err != nil {
		return err
	}
	if _, err := s.show("alice", "", 0, "give-back", s.newest("grants", "alice")); err != nil {
		return err
	}
	return s.count("SELECT COUNT(*) FROM mysql.user WHERE User LIKE 'curfew\\_"+deployment+"\\_l\\_%'", "0")
}

func (s *story) inBooks() error {
	if _, err := s.show("alice", "", 0, "request", "books/reader", "--for", "5m", "--reason", "look at what is left"); err != nil {
		return err
	}
	a, err := s.show("alice", "", 0, "connect", "books-db", "--", "-t", "-e", "SELECT COUNT(*) AS kinds FROM items")
	if err != nil {
		return err
	}
	if err := has(a, "kinds"); err != nil {
		return err
	}
	for _, try := range []struct{ statement, says string }{
		{"SELECT name FROM items UNION SELECT name FROM suppliers", "the role does not allow to read stock.suppliers"},
		{"SELECT name FROM items /*!50701 UNION TABLE suppliers */", "some servers run"},
		{"PREPARE p FROM 'SELECT * FROM suppliers'", "the role does not allow to read stock.suppliers"},
	} {
		if a, err = s.show("alice", "", 1, "connect", "books-db", "--", "-e", try.statement); err != nil {
			return err
		}
		if err := has(a, try.says); err != nil {
			return err
		}
	}
	b, err := s.show("tom", "", 0, "sessions", "search", "suppliers", "--person", "alice")
	if err != nil {
		return err
	}
	if !strings.Contains(b.text, "suppliers") {
		return wrong("what was refused is not on record")
	}
	return nil
}
