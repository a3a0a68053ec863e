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
    const look = pages.Live.p.getByRole("button", { name: /Look at what is going on/ }).first();
    if (await look.count()) {
      await look.click({ timeout: 500 }).then(() => looked++, () => undefined); // it may be over by now
    }
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
