# Psycopg 2 sends simple queries only. Says each step on a line of its own.
import psycopg2, psycopg2.extras, psycopg2.pool

def say(*words):
    print(*words, flush=True)

pool = psycopg2.pool.ThreadedConnectionPool(1, 4, "")
conns = [pool.getconn() for _ in range(4)]
cur = conns[0].cursor()
psycopg2.extras.execute_values(cur, "INSERT INTO orders (cust, total) VALUES %s", [("two", i) for i in range(500)])
cur.execute("SELECT count(*) FROM orders WHERE cust = 'two'")
say("values", cur.fetchone()[0])
conns[0].rollback()
named = conns[1].cursor("far")
named.execute("SELECT id FROM orders ORDER BY id LIMIT 30")
say("cursor", len(named.fetchall()))
conns[1].commit()
try:
    conns[2].cursor().execute("SELECT * FROM salaries")
except psycopg2.Error as e:
    say("refused", e.pgcode)
conns[2].rollback()
large = conns[2].lobject(0, "wb") # libpq calls functions by their number for these
large.write(b"large " * 100000)
large.close()
back = conns[2].lobject(large.oid, "rb").read()
say("large", len(back), back == b"large " * 100000)
conns[2].rollback()
say("ready")
try:
    conns[3].cursor().execute("SELECT pg_sleep(60)")
    say("cut", "went through")
except psycopg2.OperationalError as e:
    # It drops the last words of any server that ends a session, PostgreSQL's too.
    say("cut", "closed the connection" in str(e))
