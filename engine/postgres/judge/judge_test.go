package judge

import "testing"

func TestSmoke(t *testing.T) {
	for _, sql := range []string{
		"SELECT id, cust FROM orders", "SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.cust WHERE lower(c.name) LIKE 'a%' ORDER BY 1",
		"WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT t.n+1 FROM t WHERE t.n < 5) SELECT t.n FROM t", "INSERT INTO refunds VALUES (1,2,3) RETURNING *",
		"SELECT * FROM customers", "SELECT card FROM customers", "SELECT customers FROM customers", "SELECT pg_read_file('/etc/passwd')", "DROP TABLE orders",
	} {
		v := judgeOf(t, shop, "", shopCatalog()).Judge(sql)
		t.Logf("%s\n  %+v %+v", sql, v.Statements, v.Refused)
	}
}
