// Watches sessions that say much, and measures the page meanwhile: the longest task, the longest time
// without a frame, what its scripts hold, and how much it is sent.
import { check, done, given, parent, person, picture, read } from "./lib.mjs";

const p = await person("dana");
const cdp = await p.context().newCDPSession(p);
await cdp.send("Performance.enable");
await cdp.send("Network.enable");
let messages = 0;
let received = 0;
cdp.on("Network.eventSourceMessageReceived", (e) => { messages++; received += e.data.length; });
const heap = async () => (await cdp.send("Performance.getMetrics")).metrics.find((m) => m.name === "JSHeapUsedSize").value;
const mega = (n) => (n / 1e6).toFixed(1);

for (const load of given.loads) {
  await parent(`alone ${load}`);
  await parent(`begin ${load}`);
  let session;
  for (let i = 0; i < 100 && !session; i++) {
    session = (await read(p, "/sessions?scope=all&status=live")).items?.[0];
    if (!session) await p.waitForTimeout(100);
  }
  if (!session) { check(false, `${load}: no session lives`); break; }
  await p.goto(`${given.base}/sessions/${session.id}`);
  await p.getByRole("heading", { level: 1 }).waitFor();
  await p.locator(load.startsWith("ssh") ? ".terminal" : ".said-row").first().waitFor();
  await cdp.send("HeapProfiler.collectGarbage");
  const before = await heap();
  await p.evaluate((end) => {
    const m = (globalThis.measured = { task: 0, tasks: 0, gap: 0, frames: 0, seen: 0 });
    new PerformanceObserver((l) => { for (const e of l.getEntries()) { m.task = Math.max(m.task, e.duration); m.tasks++; } }).observe({ entryTypes: ["longtask"] });
    let last = performance.now();
    const frame = (now) => {
      if (m.seen && now > m.seen + 500) return;
      m.gap = Math.max(m.gap, now - last);
      m.frames++;
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    const look = setInterval(() => {
      // The end is on the screen when it is in what is painted: the newest rows, or the terminal.
      const shown = document.querySelector(".terminal")?.textContent ?? [...document.querySelectorAll(".said-row")].map((n) => n.textContent).join(" ");
      if (shown.includes(end)) { m.seen = performance.timeOrigin + performance.now(); clearInterval(look); }
    }, 50);
  }, given.end);
  messages = received = 0;
  const began = Date.now();
  await parent(`print ${load}`);
  let most = 0;
  let seen = 0;
  while (!seen && Date.now() - began < 120_000) {
    await p.waitForTimeout(250);
    most = Math.max(most, await heap());
    seen = await p.evaluate(() => globalThis.measured.seen);
  }
  check(seen, `${load}: the page never comes to the end`);
  if (load === "ssh") await picture(p, "watch-ssh");
  const m = await p.evaluate(() => globalThis.measured);
  const long = (Date.now() - began) / 1000;
  const [n, sent] = [messages, received];
  await parent(`end ${load} at ms ${seen || Date.now()}`);
  await cdp.send("HeapProfiler.collectGarbage");
  const after = await heap();
  console.log(`FIGURE ${load}: longest task ${Math.round(m.task)} ms (${m.tasks} over 50), longest time without a frame ${Math.round(m.gap)} ms, ${(m.frames / long).toFixed(0)} frames a second; heap ${mega(before)} MB before, ${mega(most)} at most, ${mega(after)} after; ${n} messages, ${mega(sent)} MB in ${long.toFixed(1)} s`);
  check(m.task < 2000 && m.gap < 2500, `${load}: the page stalls: ${JSON.stringify(m)}`);
  check(most < 200e6 && after < 100e6, `${load}: the page holds ${most} bytes, ${after} at the end`);
  check(n < 10 * long + 20, `${load}: the page is sent ${n} messages in ${long} s`);
  // Once it is over there is the whole of it, or a way to it.
  await p.getByRole("heading", { name: "Receipt" }).waitFor();
  if (load.startsWith("ssh")) await p.getByRole("button", { name: "Replay it here" }).or(p.getByRole("heading", { name: "Replay", exact: true })).first().waitFor();
  await picture(p, `watched-${load.replaceAll(" ", "-")}`);
}
await done();
