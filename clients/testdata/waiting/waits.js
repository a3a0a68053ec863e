// A pool connects, which is kept waiting, and runs statements, which are too.
const { Pool } = require("pg");

async function main() {
  const pool = new Pool({ max: 3, ssl: false });
  const all = await Promise.all([1, 2, 3].map(() => pool.query("SELECT count(*) > 0 AS some FROM orders")));
  console.log("in", all.every((r) => r.rows[0].some));
  const client = await pool.connect();
  await client.query("BEGIN");
  const done = await client.query("UPDATE orders SET cust = $1", ["mine"]);
  console.log("released", done.rowCount > 0);
  await client.query("ROLLBACK");
  try {
    await client.query("UPDATE orders SET cust = $1", ["again"]);
  } catch (e) {
    console.log("refused", e.code);
  }
  client.release();
  await pool.end();
}

main();
