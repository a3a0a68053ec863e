package judge

import "testing"

// seedText is what is wrapped.
type seedText struct {
	shape shapeOf
	text  string
}

func seeds(shape shapeOf, texts ...string) (out []seedText) {
	for _, t := range texts {
		out = append(out, seedText{shape, t})
	}
	return out
}

// forbidden are effects that the permission of the tests does not give.
func forbidden() (out []seedText) {
	out = append(out, seeds(aValue,
		"( SELECT card FROM customers LIMIT 1 )", "pg_read_file ( 'x' )", "pg_catalog . pg_read_file ( 'x' )", "query_to_xml ( 'SELECT 1' , true , true , '' ) :: text", "table_to_xml ( 'customers' , true , true , '' ) :: text",
		"cursor_to_xml ( 'c' , 1 , true , true , '' ) :: text", "lo_import ( '/etc/passwd' ) :: text", "lo_get ( 1 ) :: text", "set_config ( 'role' , 'x' , false )", "nextval ( 'other' ) :: text", "nextval ( 'i' || 'ds' ) :: text", "setval ( 'ids' , 1 ) :: text",
		"current_setting ( 'data_directory' )", "current_setting ( 'data' || '_directory' )", "( 'x' :: text ) . pg_read_file", "( 1 OPERATOR(hr.+) 2 ) :: text", "( 'a' OPERATOR(public.||) 'b' )", "( 'x' :: hr . secret ) :: text", "hr . raise ( 1 ) :: text",
		"dblink ( 'a' , 'b' ) :: text", "pg_notify ( 'a' , 'b' ) :: text", "pg_terminate_backend ( 1 ) :: text", "U&\"pg\\005fread_file\" ( 'x' )", "public . lower ( 'a' )", "refresh ( 1 , 2 ) :: text", "pwn ( NULL ) :: text", "ts_rewrite ( 'a' , 'SELECT 1' ) :: text")...)
	out = append(out, seeds(aQuery,
		"SELECT card FROM customers", "SELECT c . card FROM customers c", "SELECT U&\"c\\0061rd\" FROM customers", "SELECT \"card\" FROM ONLY public . customers", "SELECT c :: text FROM customers c", "SELECT row_to_json ( c ) :: text FROM customers c",
		"SELECT row_to_json ( c . * ) :: text FROM customers c", "SELECT ( c ) . card FROM customers c", "SELECT x . c FROM ( SELECT * FROM customers ) x ( a , b , c , d )", "SELECT who FROM salaries", "SELECT 'a' FROM salaries", "SELECT rolpassword FROM pg_authid", "SELECT query FROM pg_catalog . pg_stat_activity",
		"SELECT name FROM customers WHERE card = 'x'", "SELECT name FROM customers ORDER BY card", "SELECT name FROM customers GROUP BY name , card", "SELECT max ( name ) FROM customers HAVING max ( card ) > 'a'", "( SELECT name FROM customers FOR UPDATE )", "( SELECT name FROM customers FOR KEY SHARE )",
		"SELECT id :: text FROM hr . people", "SELECT a . name FROM customers a JOIN customers b USING ( card )", "SELECT a . name FROM customers a NATURAL JOIN customers b", "SELECT ctid :: text FROM customers", "SELECT count ( card ) :: text FROM customers", "SELECT xmin :: text FROM customers",
		"SELECT text FROM texts", "SELECT t . text FROM texts t", "SELECT ( SELECT text FROM ( SELECT 'x' :: text :: varchar ) s ) FROM texts", "SELECT ( SELECT card FROM json_array_elements ( '[1]' ) card LIMIT 1 ) FROM customers", "SELECT o . pwn :: text FROM orders o",
		"SELECT x . a FROM ( SELECT 1 , card FROM customers ) x ( b , a )", "SELECT o . note FROM orders o , salaries s", "SELECT o . note FROM orders o WHERE o . note IN ( SELECT card FROM customers )", "SELECT rank ( ) OVER ( ORDER BY card ) :: text FROM customers", "SELECT d :: text FROM pg_ls_dir ( '.' ) d",
		"SELECT relname :: text FROM pg_class , pg_authid", "SELECT usename :: text FROM pg_shadow", "SELECT name FROM pg_settings", "SELECT most_common_vals :: text FROM pg_stats", "SELECT word FROM ts_stat ( 'SELECT card FROM customers' )")...)
	out = append(out, seeds(aChange,
		"DELETE FROM orders", "DELETE FROM ONLY public . orders WHERE false", "UPDATE customers SET name = 'x'", "UPDATE orders SET total = 1", "UPDATE orders SET ( note , total ) = ( 'a' , 2 )", "INSERT INTO salaries VALUES ( 'a' , 1 )", "INSERT INTO orders ( id , total ) VALUES ( 1 , 2 )", "INSERT INTO customers ( name ) VALUES ( 'a' )",
		"INSERT INTO orders VALUES ( 1 , 2 )", "INSERT INTO orders ( id ) VALUES ( 1 ) ON CONFLICT ( id ) DO UPDATE SET total = 3", "MERGE INTO customers c USING orders o ON false WHEN MATCHED THEN DELETE", "MERGE INTO orders o USING refunds r ON false WHEN MATCHED THEN DELETE", "WITH x AS ( DELETE FROM orders RETURNING id ) DELETE FROM refunds",
		"WITH x AS ( UPDATE customers SET card = 'a' ) SELECT 'a'", "WITH x AS ( INSERT INTO salaries DEFAULT VALUES RETURNING who ) SELECT who FROM x", "DELETE FROM refunds USING customers c WHERE c . card = 'a'", "UPDATE hr . people SET salary = 1", "DELETE FROM pg_authid")...)
	return append(out, seeds(aStatement,
		"DROP TABLE orders", "TRUNCATE refunds", "CREATE TABLE x AS SELECT 1", "SELECT 1 INTO x", "CREATE VIEW v AS SELECT * FROM orders", "DO $$ BEGIN END $$", "DO $a$ BEGIN DELETE FROM orders ; END $a$", "SET ROLE app_owner", "SET SESSION AUTHORIZATION postgres", "RESET ROLE", "SET search_path = hr", "SET LOCAL search_path TO hr , public",
		"SET row_security = off", "SET standard_conforming_strings = off", "SET client_encoding = 'SJIS'", "SHOW data_directory", "LISTEN a", "NOTIFY a", "LOCK TABLE orders", "COPY customers TO STDOUT", "COPY orders TO PROGRAM 'cat'", "COPY orders TO '/tmp/x'", "COPY refunds FROM PROGRAM 'id'", "COPY refunds FROM '/etc/passwd'", "COPY salaries FROM STDIN",
		"PREPARE TRANSACTION 'a'", "COMMIT PREPARED 'a'", "EXECUTE nothing", "FETCH ALL FROM nothing", "CALL hr . raise ( 1 )", "CREATE FUNCTION f ( ) RETURNS int LANGUAGE sql AS 'SELECT 1'", "GRANT ALL ON customers TO PUBLIC", "ALTER ROLE CURRENT_USER SUPERUSER", "VACUUM", "ANALYZE customers", "LOAD 'x'", "CREATE EXTENSION dblink", "EXPLAIN ANALYZE DELETE FROM orders",
		"EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1", "COMMENT ON TABLE orders IS 'a'", "DECLARE d CURSOR FOR SELECT card FROM customers", "PREPARE z AS DELETE FROM orders")...)
}

// permitted are effects like those, within the permission.
func permitted() (out []seedText) {
	out = append(out, seeds(aValue, "( SELECT name FROM customers LIMIT 1 )", "'a'", "lower ( 'A' )", "pg_catalog . upper ( 'a' )", "nextval ( 'ids' ) :: text", "current_setting ( 'server_version' )", "( 1 OPERATOR(pg_catalog.+) 2 ) :: text", "refresh ( 1 ) :: text", "public . refresh ( 2 ) :: text",
		"U&\"low\\0065r\" ( 'x' )", "current_user :: text", "now ( ) :: text", "( 'new' :: order_status ) :: text")...)
	out = append(out, seeds(aQuery, "SELECT name FROM customers", "SELECT c . name FROM customers c", "SELECT U&\"n\\0061me\" FROM customers", "SELECT o :: text FROM orders o", "SELECT row_to_json ( o ) :: text FROM orders o", "SELECT o . note FROM orders o JOIN customers c ON c . id = o . cust", "SELECT o . note FROM orders o JOIN refunds USING ( id )",
		"( SELECT note FROM orders FOR UPDATE )", "SELECT ctid :: text FROM orders", "SELECT ( o ) . note FROM orders o", "SELECT y . c FROM ( SELECT * FROM refunds ) x ( a , b , c0 ) , LATERAL ( SELECT x . a :: text ) y ( c )", "SELECT relname :: text FROM pg_class", "SELECT table_name :: text FROM information_schema . tables",
		"SELECT x . value FROM json_array_elements_text ( '[1]' ) x", "SELECT r . pg_typeof :: text FROM refunds r")...)
	out = append(out, seeds(aChange, "DELETE FROM refunds", "UPDATE orders SET note = 'x' WHERE id = 1", "INSERT INTO orders ( id , status ) VALUES ( 901 , 'a' ) RETURNING note", "INSERT INTO refunds VALUES ( 1 , 2 , 3 )", "WITH x AS ( DELETE FROM refunds RETURNING id ) SELECT id :: text FROM x")...)
	return append(out, seeds(aStatement, "SET LOCAL statement_timeout = 1000", "SHOW server_version", "CALL tidy ( )", "SET search_path = pg_catalog , public", "UNLISTEN *", "EXPLAIN ANALYZE DELETE FROM refunds", "COPY customers ( id , name ) TO STDOUT", "COPY orders TO STDOUT")...)
}

const seedOfTests = 20260

func TestEveryWrappedEffectIsRefused(t *testing.T) {
	g, all := newGen(seedOfTests), forbidden()
	rules := map[string]int{}
	for i := range bypasses {
		s := all[i%len(all)]
		text := g.wrap(s, 5)
		v := shopJudge(t).Judge(text)
		if v.Refused == nil {
			t.Fatalf("text %d lets through %q:\n%s", i, s.text, text)
		}
		rules[v.Refused.Rule]++
	}
	t.Logf("%d texts of %d effects in %d wrappers, seed %d: %v", bypasses, len(all), len(wrappers()), seedOfTests, rules)
	if rules[RuleUnknown] > bypasses/20 {
		t.Errorf("%d were not understood, so they show little", rules[RuleUnknown])
	}
}

func TestTheSameWrappersAroundPermittedEffectsAreAllowed(t *testing.T) {
	g, all := newGen(seedOfTests+1), permitted()
	for i := range harmless {
		s := all[i%len(all)]
		text := g.wrap(s, 5)
		if v := shopJudge(t).Judge(text); v.Refused != nil {
			t.Fatalf("text %d around %q is refused: %+v\n%s", i, s.text, *v.Refused, text)
		}
	}
	t.Logf("%d texts of %d effects in %d wrappers, seed %d", harmless, len(all), len(wrappers()), seedOfTests+1)
}
