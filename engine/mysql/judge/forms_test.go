package judge

import (
	"fmt"
	"strings"
	"testing"
)

func TestForms(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT * FROM orders":                                         "",
		"SHOW TABLES":                                                  "",
		"SET autocommit = 0, @a = 1":                                   "",
		"BEGIN; COMMIT":                                                "",
		"EXPLAIN DELETE FROM orders":                                   "",
		"EXPLAIN ANALYZE DELETE FROM orders":                           "delete delete-without-where",
		"DELETE FROM orders":                                           "delete delete-without-where",
		"DELETE FROM orders WHERE 1 = 1":                               "delete delete-without-where",
		"DELETE FROM orders LIMIT 5":                                   "delete delete-without-where",
		"DELETE FROM orders WHERE id = 1":                              "delete",
		"DELETE o FROM orders o JOIN refunds r ON o.id = r.id":         "delete delete-without-where",
		"UPDATE orders SET note = 1":                                   "update update-without-where",
		"UPDATE orders SET note = id":                                  "update update-without-where",
		"UPDATE orders SET note = 1 WHERE id IN (1, 2)":                "update",
		"INSERT INTO orders (id) VALUES (1)":                           "insert",
		"REPLACE INTO orders (id) VALUES (1)":                          "delete insert",
		"INSERT INTO o (id) VALUES (1) ON DUPLICATE KEY UPDATE id = 1": "insert update",
		"TRUNCATE orders":                                              "truncate",
		"DROP TABLE orders":                                            "ddl drop",
		"DROP USER a":                                                  "ddl drop grant",
		"ALTER TABLE orders DROP COLUMN id":                            "ddl drop",
		"ALTER TABLE orders ADD COLUMN x INT":                          "ddl",
		"CREATE TABLE x (id INT)":                                      "ddl",
		"CREATE TABLE x AS SELECT * FROM orders":                       "ddl",
		"GRANT SELECT ON shop.* TO a":                                  "ddl grant",
		"SET PASSWORD = 'x'":                                           "ddl grant",
		"FLUSH TABLES":                                                 "ddl",
		"LOAD DATA LOCAL INFILE 'x' INTO TABLE orders":                 "copy-in",
		"LOAD DATA INFILE 'x' INTO TABLE orders":                       "copy-in copy-program",
		"SELECT * FROM orders INTO OUTFILE 'x'":                        "copy-out copy-program",
		"CALL a()":                                                     "code",
		"SELECT shop.f()":                                              "code",
		"SELECT f(1)":                                                  "code",
		"SELECT load_file('x')":                                        "code",
		"INSERT INTO orders (id) VALUES (shop.f())":                    "code insert",
		"UPDATE orders SET note = shop.f() WHERE id = 1":               "code update",
		"SET @a = shop.f()":                                            "code",
		"SET sql_mode = ''":                                            "",
		"SET sql_mode = 'ANSI'":                                        "code",
		"SET NAMES sjis":                                               "unreadable",
		"SET NAMES gbk":                                                "code",
		"SET GLOBAL max_connections = 1":                               "code",
		"PREPARE p FROM 'DELETE FROM orders'":                          "P:delete delete-without-where",
		"PREPARE P FROM 'SELECT 1'; EXECUTE p":                         "E:p P:",
		"PREPARE p FROM @a":                                            "P:code",
		"PREPARE p FROM '*'":                                           "P:unknown",
		"PREPARE p FROM 'SELECT 1'; PREPARE p FROM 'DELETE FROM a'":    "P:delete delete-without-where",
		"SELECT 1 /*!50701 + 1 */":                                     "unreadable",
		"DELETE FROM orders RETURNING *":                               "unreadable",
		"SELECT count (id) FROM orders":                                "unreadable",
	} {
		f, err := FormsOf(text)
		got := strings.Trim(fmt.Sprint(f.Classes), "[]")
		for _, e := range f.Executes {
			got += " E:" + e
		}
		for _, is := range f.Prepares {
			got += " P:" + strings.Trim(fmt.Sprint(is.Classes), "[]")
		}
		if err != nil {
			got = "unreadable"
		}
		if got = strings.TrimLeft(got, " "); got != want {
			t.Errorf("%s: %q, want %q (%v)", text, got, want, err)
		}
	}
}
