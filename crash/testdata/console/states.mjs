// Every page of the console in every state it can be in: empty, long names, a fault with its
// reference, no permission, offline; at 320 pixels and at 200 %, in both themes, with axe, and
// nothing wider than the window. What the gateway answers is put in its way.
import { accessible, check, done, expected, given, person, picture, read } from "./lib.mjs";

const pages = ["/", "/requests", "/requests?tab=mine", "/requests?tab=all", "/access", "/live", "/sessions", "/map", "/audit", "/insights", "/resources", "/roles", "/policies", "/people", "/settings", "/nowhere"];
const only = given.only ? pages.filter((p) => given.only.includes(p)) : pages;
const answers = /\/api\/v1\/(?!me$|me\?|feed)/;
const json = (status, body) => ({ status, contentType: status === 200 ? "application/json" : "application/problem+json", body: JSON.stringify(body) });

const wide = "W".repeat(200);
const rtl = "שלום\u202eعالم ".repeat(20);
const names = new Set(["who", "name", "reason", "title", "effect", "sentence", "about", "address", "role", "resource", "type", "waiting", "text", "program", "bound", "cause_text", "receipt", "by", "answer", "email", "label", "origin", "summary", "detail", "deployment", "version", "workflow", "policy", "takes", "recorded", "groups", "roles", "resources", "policies", "lines", "gains", "gainers", "why", "why_not", "say", "run", "what", "dangers", "may", "never", "client", "door", "device", "person"]);
expected.faults = /status of 500/;
let turn = 0;
const long = (v, key) => {
  if (typeof v === "string") return names.has(key) && v ? (turn++ % 2 ? rtl : wide) : v;
  if (Array.isArray(v)) return v.map((x) => long(x, key));
  if (v && typeof v === "object") return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, long(x, k)]));
  return v;
};
/** An object of which each list is empty. */
const bare = (v) => (Array.isArray(v) ? [] : v && typeof v === "object" ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, bare(x)])) : v);

const states = {
  empty: async (r, real) => { const [status, body] = await real(r); return r.fulfill(json(status, status === 200 ? bare(body) : body)); },
  long: async (r, real) => { const [status, body] = await real(r); return r.fulfill(json(status, long(body, ""))); },
  fault: (r) => r.fulfill(json(500, { code: "internal", title: "Something went wrong in the gateway.", detail: "It is in its log.", status: 500, request_id: "01JF8K2ABCDEF", fix: [{ say: "Its log has more", run: "curfew doctor" }] })),
  denied: (r) => (r.request().url().includes("/people") ? r.continue() : r.fulfill(json(403, { code: "denied", title: "You may not look at this.", detail: "Only administrators and auditors may.", status: 403, request_id: "01JF8K2ABCDEF" }))),
  offline: (r) => r.abort("connectionfailed"),
};
/** What must be said at least once on a page that reads anything. */
const said = { fault: "Reference 01JF8K2ABCDEF", denied: "can give it", offline: "The gateway does not answer" };
/** Pages that read nothing of their own, or nothing before they are asked; and one whose own list is let through. */
const quiet = { fault: ["/nowhere", "/settings", "/map"], denied: ["/nowhere", "/settings", "/map", "/people"], offline: ["/nowhere", "/settings", "/map"] };

async function walk(who, state, mine) {
  const scheme = (Object.keys(states).indexOf(state) + (who === "lea" ? 1 : 0)) % 2 ? "dark" : "light";
  const p = await person(who, { deviceScaleFactor: 2, colorScheme: scheme });
  await p.emulateMedia({ reducedMotion: "reduce", colorScheme: scheme });
  const other = await p.context().newPage(); // whose answers nothing is put in the way of
  await other.goto(given.base + "/curfew.svg");
  const real = (r) => other.evaluate(async (url) => { const a = await fetch(url); return [a.status, await a.json().catch(() => ({}))]; }, r.request().url());
  await p.route(answers, (r) => Promise.resolve(states[state](r, real)).catch((e) => { if (!/closed|disposed/.test(e.message)) check(false, `${state}: ${r.request().url()}: ${e.message}`); }));
  const asking = new Set(); // what the page waits for, parts of itself too
  let last = Date.now();
  p.on("request", (r) => { if (answers.test(r.url()) || /\/assets\//.test(r.url())) { asking.add(r); last = Date.now(); } });
  for (const over of ["requestfinished", "requestfailed"]) p.on(over, (r) => { asking.delete(r); last = Date.now(); });
  const still = async () => { for (let n = 0; n < 100 && (asking.size > 0 || Date.now() - last < 150); n++) await p.waitForTimeout(50); };
  await p.goto(given.base + "/nowhere");
  for (const [i, path] of mine.entries()) {
    const name = `${state}-${who}${path.replace(/[^a-z0-9]+/gi, "_")}`;
    await p.setViewportSize({ width: 320, height: 640 });
    await p.evaluate((to) => { history.pushState({}, "", to); dispatchEvent(new PopStateEvent("popstate")); }, path);
    await p.waitForFunction((to) => location.pathname + location.search === to && document.querySelector("main h1, main .state-title"), path);
    if (said[state] && !quiet[state].includes(path)) await p.locator("main").getByText(said[state]).first().waitFor({ timeout: 10_000 }).catch(() => check(false, `${name} does not say “${said[state]}”`));
    last = Date.now();
    await still();
    if (state === "long" && path === "/requests") check(await p.locator("main .request-row").count() > 0 || who === "ada", `${name} shows no request`);
    await fits(p, `${name} at 320 pixels`);
    const twice = state === "empty" || state === "long"; // the others look alike everywhere
    if (i % 3 && (twice || i % 2)) await accessible(p, `${name} at 320 pixels, ${scheme}`);
    if (given.pictures) await picture(p, `${name}-320`);
    await p.setViewportSize({ width: 680, height: 410 });
    await p.waitForTimeout(50);
    await fits(p, `${name} at 200 %`);
    if (i % 3 === 0) await accessible(p, `${name} at 200 %, ${scheme}`);
    if (given.pictures) await picture(p, `${name}-680`);
  }
  await p.context().close();
}

async function fits(p, name) {
  const over = await p.evaluate(() => {
    const by = document.documentElement.scrollWidth - innerWidth;
    if (by <= 0) return "";
    const worst = [...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".table-box,.statement,.peek,.yaml,pre")).slice(-1)[0];
    return `${by} pixels too wide, by ${worst?.outerHTML.slice(0, 160)}`;
  });
  check(!over, `${name}: ${over}`);
}

// The card of a request of high risk, with its policy's hours.
{
  const p = await person("lea");
  for (const scheme of ["light", "dark"]) {
    await p.emulateMedia({ colorScheme: scheme });
    await p.reload();
    await p.locator(".request-title").waitFor();
    await p.getByText(/Today the policy is open from/).waitFor();
    check(await p.locator(".day-open").count() > 0, "the hours are not on the day");
    await p.getByText("Starts 10 s after you approve").waitFor();
    await p.getByText(/It takes that one other person in leads approves; nobody has yet/).waitFor();
    await p.getByText("Everything is recorded.", { exact: false }).first().waitFor();
    await picture(p, `card-${scheme}`);
    await accessible(p, `the card of high risk, ${scheme}`);
  }
  await p.context().close();
}

const began = Date.now();
// A few at a time, each with every second page: most of the time is spent waiting.
for (const some of [["empty", "long"], ["fault", "denied", "offline"]]) {
  await Promise.all(some.flatMap((state) => [walk("ada", state, only.filter((_, i) => i % 2 === 0)), walk("lea", state, only.filter((_, i) => i % 2 === 1))]));
  console.log(`FIGURE ${some}: all pages by ${Math.round((Date.now() - began) / 1000)} s`);
}

// Long lists: what there is to see comes at once, and only that is on the page.
{
  const p = await person("lea");
  for (const [path, list] of [["/people", "people"], ["/policies", "policies"], ["/roles", "roles"], ["/resources", "resources"], ["/access", "find"]]) {
    const real = await read(p, `/${list}`);
    const sample = real.items[0];
    if (!sample) { check(false, `${path} has nothing to repeat`); continue; }
    const items = Array.from({ length: 10_000 }, (_, i) => ({ ...sample, id: `id-${i}`, name: `thing-${i}`, role: `thing-${i}`, resource: `on-${i}` }));
    await p.route(new RegExp(`/api/v1/${list}(\\?|$)`), (r) => r.fulfill(json(200, { ...real, items })));
    const at = Date.now();
    await p.goto(given.base + path);
    await p.getByText(/^60 of 10[,.\s\u202f]?000$/).waitFor();
    const seen = await p.evaluate(() => document.querySelectorAll("main *").length);
    check(seen < 1500, `${path}: ${seen} elements of 10,000 things are on the page at once`);
    console.log(`FIGURE 10,000 things at ${path}: ${Date.now() - at} ms`);
    const filter = p.locator("input[data-filter]");
    await p.keyboard.press("/");
    check(await filter.evaluate((f) => f === document.activeElement), `${path}: / does not lead to the filter`);
    await filter.fill("thing-9999");
    await p.getByText("thing-9999").first().waitFor();
    await p.unroute(new RegExp(`/api/v1/${list}(\\?|$)`));
  }

  // Keys: to each page, through each list; none of them once they are switched off.
  await p.goto(given.base + "/");
  await p.getByRole("heading", { level: 1 }).waitFor();
  for (const [key, to] of [["r", "/requests"], ["m", "/access"], ["l", "/live"], ["s", "/sessions"], ["a", "/map"], ["u", "/audit"], ["i", "/insights"], ["o", "/resources"], ["e", "/roles"], ["p", "/policies"], ["n", "/people"], [",", "/settings"], ["h", "/"]]) {
    await p.keyboard.press("Escape");
    await p.evaluate(() => document.querySelector("main").focus());
    await p.keyboard.press("g");
    await p.keyboard.press(key);
    await p.waitForURL((u) => u.pathname === to, { timeout: 5000 }).catch(() => check(false, `g ${key} does not lead to ${to}`));
  }
  for (const path of ["/policies", "/roles", "/resources", "/people", "/access"]) {
    await p.goto(given.base + path);
    await p.locator("[data-item]").first().waitFor();
    await p.evaluate(() => document.querySelector("main").focus());
    await p.keyboard.press("j");
    check(await p.evaluate(() => document.activeElement?.hasAttribute("data-item")), `${path}: j leads to nothing`);
  }
  await p.goto(given.base + "/people");
  await p.locator("[data-item]").first().waitFor();
  await p.evaluate(() => document.querySelector("main").focus());
  await p.keyboard.press("j");
  await p.keyboard.press("Enter");
  await p.waitForURL((u) => u.pathname === "/map");
  await p.evaluate(() => localStorage.setItem("curfew.keys.off", "1"));
  await p.evaluate(() => document.querySelector("main").focus());
  await p.keyboard.press("g");
  await p.keyboard.press("r");
  await p.keyboard.press("?");
  await p.waitForTimeout(200);
  check(new URL(p.url()).pathname === "/map" && (await p.locator(".dialog").count()) === 0, "keys that are switched off act");
  await p.keyboard.press("Control+k");
  await p.locator(".palette").waitFor();
}

await done();
