// What every script that drives the console in Chromium needs: people in browsers of their
// own, axe, pictures, and a fault for whatever the page's policy refused. The script's one
// argument is JSON; it asks its parent for what only that can do, a line each way.
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const given = JSON.parse(process.argv[2]); // base, chromium, modules, shots, people, resource, role
const require = createRequire(join(given.modules, "x.js"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
mkdirSync(given.shots, { recursive: true });

const faults = [];
export const fault = (text) => { faults.push(text); console.log(`FAULT ${text}`); };
export const check = (ok, text) => { if (!ok) fault(text); };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
export const parent = async (what) => { console.log(`DO ${what}`); const { value } = await lines.next(); return value; };

export const browser = await chromium.launch({ executablePath: given.chromium, args: ["--no-sandbox", "--disable-dev-shm-usage"] });

/** A script that fails says what its pages showed then. */
process.on("uncaughtException", (e) => {
  const pages = browser.contexts().flatMap((c) => c.pages());
  const shown = pages.map(async (p) => `at ${p.url()}, focus in ${String(await focused(p)).slice(0, 80)}:\n${(await p.locator("body").innerText()).slice(0, 2000)}`);
  const late = new Promise((r) => setTimeout(r, 5000, []));
  void Promise.race([Promise.allSettled(shown), late]).then((all) => {
    for (const s of all) console.error(s.value ?? String(s.reason));
    console.error(e.stack);
    process.exit(1);
  });
});

/** What a script brings about itself is no fault: it says here what the browser will say of it. */
export const expected = { faults: /$^/ };

export async function person(name, options = {}) {
  const ctx = await browser.newContext({ viewport: { width: 1360, height: 820 }, colorScheme: "light", ...options });
  ctx.setDefaultTimeout(20_000);
  await ctx.addInitScript(() => document.addEventListener("securitypolicyviolation", (e) => console.error(`CSP ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`)));
  const p = await ctx.newPage();
  p.on("console", (m) => { if (m.type() === "error" && !/ERR_CONNECTION|ERR_INCOMPLETE|ERR_NETWORK|status of (4\d\d|502)/.test(m.text()) && !expected.faults.test(m.text())) fault(`${name} at ${p.url()}: ${m.text()}`); });
  p.on("pageerror", (e) => fault(`${name} at ${p.url()}: ${e.message}`));
  p.on("dialog", (d) => { fault(`${name}: a script of a stranger ran: ${d.message()}`); void d.dismiss(); });
  await p.goto(`${given.base}/sign-in?next=/requests`);
  await p.fill('input[name="email"]', given.people[name].email);
  await p.fill('input[name="passphrase"]', given.people[name].passphrase);
  await p.keyboard.press("Enter");
  await p.waitForURL((u) => u.pathname === "/requests");
  await p.getByRole("heading", { name: "Requests", exact: true }).waitFor();
  return p;
}

export const read = async (p, path) => p.evaluate(async (at) => (await fetch(`/api/v1${at}`)).json(), path);

export const picture = (p, name) => p.screenshot({ path: join(given.shots, `${name}.png`) });

export async function accessible(p, what) {
  await p.evaluate(axe);
  const found = await p.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  for (const v of found.violations) fault(`axe at ${what}: ${v.id}: ${v.help}: ${v.nodes.slice(0, 2).map((n) => `${n.html.slice(0, 120)} ${n.failureSummary?.split("\n")[1] ?? ""}`).join(" | ")}`);
}

/** Every page, in both themes and both widths: axe in each theme, nothing wider than the window, a picture. */
export async function everyPage(p, pages, tag) {
  for (const path of pages) {
    await p.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
    await p.setViewportSize({ width: 1360, height: 820 });
    await p.goto(given.base + path);
    await p.waitForLoadState("load");
    await p.waitForTimeout(300);
    await p.waitForFunction(() => !document.querySelector("main [aria-busy=true]"));
    for (const scheme of ["light", "dark"]) {
      for (const [width, height] of [[1360, 820], [390, 844]]) {
        await p.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
        await p.setViewportSize({ width, height });
        await p.waitForTimeout(50);
        const name = `${tag}${path.replace(/[^a-z0-9]+/gi, "_")}-${scheme}-${width}`;
        await picture(p, name);
        if ((scheme === "light") === (width === 1360)) await accessible(p, name);
        const over = await p.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        check(over <= 0, `${name} is ${over} pixels wider than the window`);
      }
    }
  }
  await p.emulateMedia({ colorScheme: "light", reducedMotion: "no-preference" });
  await p.setViewportSize({ width: 1360, height: 820 });
}

export const focused = (p) => p.evaluate(() => document.activeElement?.textContent || document.activeElement?.getAttribute("aria-label") || document.activeElement?.tagName);

/** The last thing that a script does: its parent learns whether all of it went well. */
export async function done() {
  await browser.close();
  console.log(faults.length ? `FAULTS ${faults.length}` : "WELL");
  process.exit(faults.length ? 1 : 0);
}
