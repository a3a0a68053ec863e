# Psycopg 3 through a whole grant: server-side cursors, prepared statements, pipelines,
# COPY, cancelling. Says each step on a line of its own.
import threading, time, psycopg

def say(*words):
    print(*words, flush=True)

conn = psycopg.connect(autocommit=False)
cur = conn.cursor()
for i in range(8):  # the fifth is prepared
    cur.execute("SELECT cust FROM orders WHERE id = %s", (i + 1,), prepare=i > 3)
say("prepared", cur.fetchone()[0])
with conn.cursor(name="far") as far:
    far.itersize = 7
    far.execute("SELECT id FROM orders ORDER BY id LIMIT 50")
    say("cursor", sum(1 for _ in far))
conn.commit()
with conn.pipeline():
    all = [conn.execute("SELECT %s::int", (i,)) for i in range(30)]
say("pipeline", sum(c.fetchone()[0] for c in all))
conn.commit()
try:
    with conn.pipeline():
        conn.execute("INSERT INTO orders (cust, total) VALUES ('py', 1)")
        conn.execute("DELETE FROM salaries")
        conn.execute("INSERT INTO orders (cust, total) VALUES ('py', 2)")
except psycopg.Error as e:
    say("refused", e.sqlstate)
conn.rollback()
with cur.copy("COPY orders (cust, total) FROM STDIN") as copy:
    for i in range(20000):
        copy.write_row(("copied", i))
with cur.copy("COPY (SELECT cust, total FROM orders WHERE cust = 'copied') TO STDOUT") as copy:
    say("copied", sum(1 for _ in copy.rows()))
conn.rollback()
with cur.copy("COPY (SELECT id FROM orders) TO STDOUT (FORMAT BINARY)") as copy:
    say("binary", sum(len(b) for b in copy) > 100)
conn.rollback()
t = threading.Timer(0.3, conn.cancel)
t.start()
try:
    cur.execute("SELECT pg_sleep(30)")
except psycopg.errors.QueryCanceled as e:
    say("cancelled", e.sqlstate)
conn.rollback()
cur.execute("SELECT count(*) FROM orders WHERE cust IN ('py', 'copied')")
say("left", cur.fetchone()[0])
conn.commit()
say("ready")
try:
    cur.execute("SELECT pg_sleep(60)")
    say("cut", "went through")
except psycopg.OperationalError as e:
    say("cut", "Curfew: your access to shop-db ended" in str(e))
try:
    psycopg.connect()
    say("again", "came in")
except psycopg.OperationalError as e:
    say("again", "Curfew: " in str(e))
