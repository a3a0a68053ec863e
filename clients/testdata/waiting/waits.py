"""Connects, which is kept waiting, and runs a statement, which is too. The first argument names the driver."""

import importlib
import sys

driver = importlib.import_module(sys.argv[1])
connection = driver.connect("")
cursor = connection.cursor()
cursor.execute("SELECT count(*) > 0 FROM orders")
print("in", str(cursor.fetchone()[0]).lower())
cursor.execute("UPDATE orders SET cust = %s", ("mine",))
print("released", str(cursor.rowcount > 0).lower())
connection.rollback()
try:
    cursor.execute("UPDATE orders SET cust = %s", ("again",))
except driver.Error as e:
    print("refused", getattr(e, "sqlstate", None) or e.pgcode)
