package judge

import (
	"math/rand/v2"
	"strings"
)

// shapeOf is where a text can stand. Everywhere a value is one of type text, and
// a query has one column of type text, so that a real server understands the wrapping.
type shapeOf int

const (
	aValue     shapeOf = iota // an expression
	aQuery                    // SELECT, VALUES, TABLE
	aChange                   // INSERT, UPDATE, DELETE, MERGE
	aStatement                // anything that stands alone
)

// wrapper puts a text of one shape, at %, into another.
type wrapper struct {
	from, to shapeOf
	text     string
}

// wrappers are harmless all of them: each is within the permission of the tests.
func wrappers() (out []wrapper) {
	add := func(from, to shapeOf, texts ...string) {
		for _, t := range texts {
			out = append(out, wrapper{from, to, t})
		}
	}
	add(aValue, aValue,
		"coalesce ( % , 'a' )", "CASE WHEN true THEN % ELSE 'b' END", "CASE % WHEN 'a' THEN 'b' END", "( % ) || 'x'", "lower ( % )",
		"( % ) :: text", "CAST ( % AS varchar )", "( ( % ) COLLATE \"C\" )", "nullif ( % , 'x' )", "greatest ( 'a' , % )", "( ARRAY [ % , 'a' ] ) [ 1 ]",
		"( ( % ) = 'a' ) :: text", "( ( % ) IS NULL ) :: text", "( ( % ) IS DISTINCT FROM 'a' ) :: text", "( ( % ) IN ( 'a' , 'b' ) ) :: text", "( 'a' IN ( 'b' , % ) ) :: text",
		"( ( % ) BETWEEN 'a' AND 'b' ) :: text", "( 'a' BETWEEN % AND 'b' ) :: text", "( ( % ) LIKE 'a' ESCAPE 'b' ) :: text", "( NOT ( ( % ) = 'a' OR false ) ) :: text",
		"to_json ( % ) :: text", "json_build_object ( 'a' , % ) :: text", "( ROW ( % , 1 ) ) :: text", "( ROW ( % , 1 ) = ROW ( 'a' , 2 ) ) :: text", "xmlelement ( name a , % ) :: text",
		"xmlelement ( name a , xmlattributes ( % AS b ) ) :: text", "xmlforest ( % AS b ) :: text", "concat ( VARIADIC ARRAY [ % ] )", "format ( '%%s' , % )", "substring ( % FROM 1 FOR 2 )",
		"position ( 'a' IN % ) :: text", "trim ( both 'a' FROM % )", "( ( % ) = ANY ( ARRAY [ 'a' , 'b' ] ) ) :: text", "( ARRAY [ 'a' ] ) [ length ( % ) ]", "( SELECT % )",
		"( SELECT max ( % ) FROM orders )", "( ( ( ( % ) ) ) )", "( '{}' :: jsonb ->> % )", "( SELECT v . column1 FROM ( VALUES ( % ) ) v )", "( ( % ) OPERATOR(pg_catalog.||) 'x' )",
		"( ( ( % ) , 'a' ) OVERLAPS ( ( % ) , 'b' ) ) :: text")
	add(aQuery, aValue, "( SELECT x . a FROM ( % ) x ( a ) LIMIT 1 )", "( ARRAY ( % ) ) :: text", "( EXISTS ( % ) ) :: text", "( 'a' IN ( % ) ) :: text", "( 'a' = ANY ( % ) ) :: text", "( 'a' < ALL ( % ) ) :: text",
		"( SELECT string_agg ( x . a , ',' ) FROM ( % ) x ( a ) )", "( ROW ( 'a' ) = ( SELECT x . a FROM ( % ) x ( a ) LIMIT 1 ) ) :: text")
	add(aValue, aQuery,
		"SELECT %", "SELECT 'a' WHERE % IS NOT NULL", "SELECT note FROM orders ORDER BY %", "VALUES ( % )", "SELECT note FROM orders GROUP BY note , % ", "SELECT max ( note ) FROM orders HAVING % > 'a'",
		"SELECT max ( % ) OVER ( PARTITION BY % ORDER BY % ) FROM orders", "SELECT max ( note ) FILTER ( WHERE % = 'a' ) FROM orders", "SELECT string_agg ( note , 'a' ORDER BY % ) FROM orders",
		"SELECT 'a' LIMIT length ( % )", "SELECT 'a' OFFSET length ( % )", "SELECT o . note FROM orders o JOIN customers c ON c . name = %", "SELECT o . note FROM orders o LEFT JOIN refunds r ON % = 'a'",
		"SELECT 'a' FROM generate_series ( 1 , length ( % ) )", "SELECT u . a FROM unnest ( ARRAY [ % ] ) u ( a )", "SELECT DISTINCT ON ( % ) note FROM orders", "SELECT l . a FROM orders o , LATERAL ( SELECT % AS a ) l",
		"SELECT first_value ( note ) OVER w FROM orders WINDOW w AS ( ORDER BY % )", "SELECT 'a' FROM orders TABLESAMPLE system ( length ( % ) )", "SELECT note FROM orders GROUP BY GROUPING SETS ( ( note ) , ( % ) )",
		"SELECT x . a FROM xmltable ( '/a' PASSING ( xmlelement ( name a , % ) ) COLUMNS a text PATH 'b' DEFAULT % ) x", "SELECT x . a FROM ROWS FROM ( json_to_recordset ( ( % ) :: json ) AS ( a text ) ) x")
	add(aQuery, aQuery,
		"( % )", "( % ) UNION ALL SELECT 'a'", "SELECT 'a' UNION ( % )", "( % ) EXCEPT SELECT 'a'", "( SELECT 'a' ) INTERSECT ALL ( % )", "SELECT x . a FROM ( % ) x ( a )", "SELECT x . * FROM ( % ) AS x",
		"WITH x ( a ) AS ( % ) SELECT a FROM x", "WITH x AS MATERIALIZED ( % ) SELECT 'a'", "WITH w AS ( SELECT 1 ) SELECT w2 . * FROM ( % ) w2 ( a )", "WITH RECURSIVE x ( a ) AS ( ( % ) UNION ALL SELECT a || 'x' FROM x WHERE length ( a ) < 3 ) SELECT a FROM x",
		"SELECT note FROM orders WHERE EXISTS ( % )", "SELECT o . note FROM orders o , LATERAL ( % ) x ( a )", "SELECT o . note FROM orders o LEFT JOIN ( % ) x ( a ) ON x . a = o . note",
		"SELECT note FROM orders WHERE note NOT\tIN ( % )", "SELECT y . a FROM ( SELECT z . a FROM ( % ) z ( a ) ) y")
	add(aQuery, aChange, "INSERT INTO refunds ( id ) SELECT length ( x . a ) FROM ( % ) x ( a )", "INSERT INTO orders ( status ) % ", "UPDATE orders SET note = x . a FROM ( % ) x ( a )", "UPDATE orders SET ( note , status ) = ( SELECT x . a , 'b' FROM ( % ) x ( a ) LIMIT 1 )",
		"DELETE FROM refunds USING ( % ) x ( a ) WHERE x . a = 'b'", "WITH x ( a ) AS ( % ) DELETE FROM refunds WHERE id IN ( SELECT length ( a ) FROM x )", "MERGE INTO refunds r USING ( % ) x ( a ) ON x . a = 'q' WHEN MATCHED THEN DELETE")
	add(aValue, aChange, "INSERT INTO refunds ( id ) VALUES ( length ( % ) )", "INSERT INTO orders ( id , status ) VALUES ( 900 , % ) RETURNING note", "UPDATE orders SET note = %", "UPDATE orders SET ( note , status ) = ROW ( % , 'a' )", "UPDATE orders SET note = 'a' WHERE % = 'b'",
		"UPDATE orders SET note = 'a' WHERE false RETURNING %", "DELETE FROM refunds WHERE % IS NULL", "DELETE FROM refunds WHERE false RETURNING %",
		"INSERT INTO orders ( id ) VALUES ( 1 ) ON CONFLICT ( id ) DO UPDATE SET note = %", "INSERT INTO orders ( id ) VALUES ( 1 ) ON CONFLICT ( id ) DO UPDATE SET note = 'a' WHERE % = 'b'",
		"MERGE INTO refunds r USING orders o ON % = 'a' WHEN MATCHED THEN DELETE", "MERGE INTO refunds r USING orders o ON false WHEN NOT MATCHED AND % = 'z' THEN INSERT ( id ) VALUES ( length ( % ) )", "MERGE INTO orders o USING refunds r ON false WHEN MATCHED AND % = 'a' THEN UPDATE SET note = %")
	add(aQuery, aStatement, "%", "EXPLAIN ( COSTS false ) %", "EXPLAIN ANALYZE %", "PREPARE p AS % ; EXECUTE p ; DEALLOCATE p", "DECLARE c CURSOR FOR % ; FETCH ALL c", "DECLARE c CURSOR WITH HOLD FOR % ; CLOSE c", "COPY ( % ) TO STDOUT", "COPY ( % ) TO STDOUT ( FORMAT csv )")
	add(aChange, aStatement, "%", "EXPLAIN ANALYZE %", "EXPLAIN %", "PREPARE p AS % ; EXECUTE p ; DEALLOCATE p")
	add(aValue, aStatement, "SELECT refresh ( length ( % ) )", "PREPARE q AS SELECT $1 :: text ; EXECUTE q ( 'a' ) ; DEALLOCATE q ; SELECT %")
	add(aStatement, aStatement, "SELECT 1 ; %", "% ; SELECT 1", "SAVEPOINT a ; % ; RELEASE a", "SET LOCAL work_mem = '4MB' ; %", "; ; % ;")
	return out
}

// gen makes texts.
type gen struct {
	*rand.Rand
	byFrom map[shapeOf][]wrapper
}

func newGen(seed uint64) *gen {
	g := &gen{rand.New(rand.NewPCG(seed, 1)), map[shapeOf][]wrapper{}}
	for _, w := range wrappers() {
		g.byFrom[w.from] = append(g.byFrom[w.from], w)
	}
	return g
}

// wrap wraps a text until it is a statement, at most most times before it must end.
func (g *gen) wrap(s seedText, most int) string {
	shape, text := s.shape, s.text
	prepares := false
	for n := g.IntN(most + 1); shape != aStatement || n > 0; n-- {
		w := g.byFrom[shape][g.IntN(len(g.byFrom[shape]))]
		if n <= 0 && w.to == w.from || strings.Contains(w.text, " ; ") && (prepares || strings.HasPrefix(w.text, "EXPLAIN")) || len(text) > 500 && strings.Count(w.text, "%") > 1 {
			continue
		}
		if shape == aStatement {
			prepares = prepares || strings.Contains(w.text, "PREPARE")
		}
		text = strings.ReplaceAll(strings.ReplaceAll(w.text, "%%", "\x00"), "%", text)
		text = strings.ReplaceAll(text, "\x00", "%")
		shape = w.to
	}
	return g.disguise(text)
}

// disguise changes blanks, and the case of letters, outside quotes.
func (g *gen) disguise(text string) string {
	blanks := []string{" ", " ", " ", " ", "\n", "\t", " /* ; */ ", "/**/", " /* /* ' */ \" */ ", " -- it's \n", "--\r", "\f "}
	loud := g.IntN(4) == 0
	plain := g.IntN(2) == 0
	var b strings.Builder
	quote := rune(0)
	for _, r := range text {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == ' ' && !plain:
			b.WriteString(blanks[g.IntN(len(blanks))])
			continue
		case loud && g.IntN(2) == 0:
			r = []rune(strings.ToUpper(string(r)))[0]
		}
		b.WriteRune(r)
	}
	return b.String()
}
