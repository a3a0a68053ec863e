// How soon Requests is painted with very many of them in the ledger, and how soon an event is on it.
import { check, done, given, parent, person, read } from "./lib.mjs";

const p = await person("dana");
const at = (a, share) => Math.round([...a].sort((x, y) => x - y)[Math.min(a.length - 1, Math.floor(a.length * share))]);
const said = (a) => `p50 ${at(a, 0.5)} ms, p95 ${at(a, 0.95)}, worst ${at(a, 1)} (${a.length})`;
const all = await read(p, "/requests?scope=all&limit=1000");
check(all.items?.length === 1000 && all.next, `there are ${all.items?.length} requests on a page, and then ${all.next}`);

for (const [path, row] of [["/requests", "h1"], ["/requests?tab=all", ".request-row"]]) {
  const paints = [];
  const lists = [];
  for (let i = 0; i < given.loads; i++) {
    await p.goto("about:blank");
    await p.goto(given.base + path);
    const seen = await p.evaluate(async (what) => {
      const listed = await new Promise((r) => { const look = () => (document.querySelector(what) ? requestAnimationFrame(() => r(performance.now())) : requestAnimationFrame(look)); look(); });
      while (!performance.getEntriesByName("first-contentful-paint").length) await new Promise((r) => setTimeout(r, 5));
      return { paint: performance.getEntriesByName("first-contentful-paint")[0].startTime, listed };
    }, row);
    paints.push(seen.paint);
    lists.push(seen.listed);
  }
  console.log(`FIGURE ${path} with 10,000 requests in the ledger: first paint ${said(paints)}; ${row === "h1" ? "its heading" : "the list"} ${said(lists)}`);
  check(at(paints, 0.5) < 3000, `the first paint of ${path} takes ${at(paints, 0.5)} ms`);
}

await p.goto(`${given.base}/requests`);
await p.getByText("Nothing waits for your answer.").waitFor();
await p.getByRole("status").filter({ hasText: /^live$/ }).first().waitFor();
const lags = [];
const gone = [];
for (let n = 0; n < given.events; n++) {
  await p.evaluate((words) => {
    const m = (globalThis.seen = { shown: 0, gone: 0 });
    const look = () => {
      const there = [...document.querySelectorAll(".request-row, .request-title, .quote")].some((e) => e.textContent.includes(words));
      const now = performance.timeOrigin + performance.now();
      if (there && !m.shown) m.shown = now;
      if (m.shown && !m.gone && !document.querySelector(".request-row")) m.gone = now;
      if (!m.gone) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  }, `figure ${n}.`);
  const asked = p.waitForFunction(() => globalThis.seen.shown, undefined, { timeout: 15_000 });
  await parent(`ask ${n}`);
  const shown = await (await asked).jsonValue();
  const r = (await read(p, "/requests?scope=review")).items[0];
  lags.push(shown - Date.parse(r.asked));
  const left = p.waitForFunction(() => globalThis.seen.gone, undefined, { timeout: 15_000 });
  const before = Date.now();
  await parent(`withdraw ${n}`);
  gone.push((await (await left).jsonValue()) - before);
  await p.waitForTimeout(given.events > 10 ? 700 : 150);
}
console.log(`FIGURE from a request's time in the ledger to its row on the approver's screen: ${said(lags)}; from before the call that withdraws it to its row's end: ${said(gone)}`);
check(at(lags, 0.5) < 5000, `an event is on the screen after ${at(lags, 0.5)} ms`);
await done();
