// A pool through a whole grant. Says each step on a line of its own.
const { Pool } = require('pg');
const say = (...words) => console.log(words.join(' '));

(async () => {
  const pool = new Pool({ max: 5, ssl: false });
  const ended = new Set();
  pool.on('error', (e) => ended.add(e.code || e.message));
  const many = await Promise.all(Array.from({ length: 40 }, (_, i) => pool.query('SELECT $1::int + total AS n FROM orders WHERE id = $2', [i, 1 + (i % 20)])));
  say('parallel', many.reduce((sum, r, i) => sum + r.rows[0].n - i, 0));
  for (let i = 0; i < 7; i++) await pool.query({ name: 'byname', text: 'SELECT cust FROM orders WHERE id = $1', values: [i + 1] });
  say('named', 'ok');
  const one = await pool.connect();
  await one.query('BEGIN');
  await one.query("INSERT INTO orders (cust, total) VALUES ('node', 1)");
  const refused = await one.query('SELECT * FROM salaries').catch((e) => e.code);
  const aborted = await one.query('SELECT 1').catch((e) => e.code);
  await one.query('ROLLBACK');
  one.release();
  say('refused', refused, aborted);
  const left = await pool.query("SELECT count(*)::int AS n FROM orders WHERE cust = 'node'");
  say('left', left.rows[0].n);
  const busy = pool.query('SELECT pg_sleep(60)').then(() => 'went through', (e) => e.code || e.message);
  say('ready', pool.totalCount > 1);
  const cut = await busy;
  await new Promise((r) => setTimeout(r, 500));
  say('cut', cut, [...ended].join(','));
  const again = await pool.query('SELECT 1').catch((e) => `${e.code} ${/^Curfew: /.test(e.message)}`);
  say('again', again);
  process.exit(0);
})().catch((e) => { say('broken', e.stack); process.exit(1); });
