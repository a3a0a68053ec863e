package mysql

import (
	"context"
	"database/sql"
	"strconv"
	"testing"

	"github.com/curfewhq/curfew/engine/enginetest"
)

type suiteClient struct {
	db *sql.DB
	c  *sql.Conn
}

func (s suiteClient) Do(ctx context.Context) error {
	var n int
	return s.c.QueryRowContext(ctx, "SELECT COUNT(*) FROM orders").Scan(&n)
}

func (s suiteClient) Close() { _, _ = s.c.Close(), s.db.Close() }

func TestTheSuite(t *testing.T) {
	w := world(t, "suite")
	defer func() { _ = maria.Exec(context.Background(), "shop", "DELETE FROM orders WHERE cust LIKE 'suite %'") }()
	suite(w, "suite").Run(t)
}

// suite is what every engine must do; its rows begin with a word.
func suite(w *enginetest.World, word string) enginetest.Suite {
	return enginetest.Suite{
		World: w, Role: "write",
		Connect: func(ctx context.Context, user, password string) (enginetest.Client, error) {
			db := through(w, user, password)
			c, err := db.Conn(ctx)
			if err != nil {
				_ = db.Close()
				return nil, err
			}
			return suiteClient{db, c}, nil
		},
		Mark: func(ctx context.Context, c enginetest.Client, mark string) error {
			_, err := c.(suiteClient).c.ExecContext(ctx, "INSERT INTO orders (cust) VALUES (?)", word+" "+mark)
			return err
		},
		Marked: func(mark string) (n int, err error) {
			text, err := maria.One(context.Background(), "shop", "SELECT COUNT(*) FROM orders WHERE cust = '"+word+" "+mark+"'")
			if err == nil {
				n, err = strconv.Atoi(text)
			}
			return n, err
		},
	}
}
