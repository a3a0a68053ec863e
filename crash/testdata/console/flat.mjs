// Four pages that stay open before a steady feed; what they hold is sampled after their
// garbage has been collected.
import { check, done, given, parent, person } from "./lib.mjs";

const addresses = { Home: "/", Requests: "/requests?tab=all", Live: "/live", Audit: "/audit" };
const pages = {};
for (const [name, path] of Object.entries(addresses)) {
  const p = await person("dana");
  await p.goto(given.base + path);
  await p.getByRole("heading", { level: 1 }).first().waitFor();
  const cdp = await p.context().newCDPSession(p);
  await cdp.send("Performance.enable");
  pages[name] = { p, cdp };
}
const began = Date.now();
let looked = 0;
while (Date.now() - began < given.for) {
  const next = Date.now() + given.every;
  // Whoever watches looks at what is going on, again and again.
  while (Date.now() + 1000 < next) {
    await pages.Live.p.waitForTimeout(Math.min(5000, Math.max(1000, next - Date.now() - 1000)));
    // Not by a click of the driver: what it holds of buttons that are gone by then would be counted.
    looked += await pages.Live.p.evaluate(() => { const b = document.querySelector(".peek-off"); b?.click(); return b ? 1 : 0; });
  }
  const seen = {};
  for (const [name, { cdp }] of Object.entries(pages)) {
    await cdp.send("HeapProfiler.collectGarbage");
    const { metrics } = await cdp.send("Performance.getMetrics");
    const of = (m) => metrics.find((x) => x.name === m)?.value ?? 0;
    seen[name] = { Heap: of("JSHeapUsedSize"), Nodes: of("Nodes"), Listeners: of("JSEventListeners") };
  }
  await parent(`sample ${JSON.stringify(seen)}`);
}
for (const [name, { p }] of Object.entries(pages)) {
  check((await p.locator(".link-state").first().textContent()).includes("live"), `${name} is not told of what changes any more`);
}
console.log(`FIGURE looked at ${looked} sessions`);
await done();
