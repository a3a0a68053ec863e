// Drives one Chromium, told by lines of JSON on standard input; answers each with one.
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: ["--no-sandbox", "--disable-gpu"] });
const pages = new Map();
const contexts = new Map();
const violations = [];

// a context is one person's browser; a page is one of its tabs.
async function page(who, tab) {
  const key = who + "/" + (tab ?? "");
  if (!contexts.has(who)) contexts.set(who, await browser.newContext({ javaScriptEnabled: !who.startsWith("scriptless") }));
  if (!pages.has(key)) {
    const p = await contexts.get(who).newPage();
    p.setDefaultTimeout(20000);
    p.on("console", (m) => { if (/Content Security Policy|Refused to/.test(m.text())) violations.push(m.text()); });
    pages.set(key, p);
  }
  return pages.get(key);
}

const acts = {
  async open(p, a) { const r = await p.goto(a.url, { waitUntil: "load" }); return { status: r ? r.status() : 0 }; },
  async fill(p, a) { await p.fill(a.at, a.text); },
  async check(p, a) { await p.check(a.at); },
  async click(p, a) { await p.click(a.at, { noWaitAfter: false }); await p.waitForLoadState("load"); },
  async see(p, a) { await p.waitForFunction((t) => document.body && document.body.innerText.includes(t), a.text, { timeout: a.wait ?? 20000 }); },
  async wait(p, a) { await p.waitForURL((u) => u.href.includes(a.text), { timeout: a.wait ?? 20000 }); },
  async eval(p, a) { return { value: await p.evaluate(a.text) }; },
  async cookies(p) { return { value: await p.context().cookies() }; },
  async addCookie(p, a) { await p.context().addCookies([a.cookie]); },
  async reload(p) { await p.reload({ waitUntil: "load" }); },
  async picture(p, a) { await p.screenshot({ path: a.text, fullPage: true }); },
  async violations() { return { value: violations }; },
};

for await (const line of createInterface({ input: process.stdin })) {
  let out = {};
  try {
    const a = JSON.parse(line);
    const p = await page(a.who, a.tab);
    out = (await acts[a.do](p, a)) ?? {};
    out.url = p.url();
    out.text = await p.evaluate(() => document.body?.innerText ?? "").catch(() => "");
  } catch (e) {
    out.error = String(e);
    try { const a = JSON.parse(line); const p = await page(a.who, a.tab); out.url = p.url(); out.text = await p.locator("body").innerText({ timeout: 2000 }); } catch {}
  }
  console.log(JSON.stringify(out));
}
await browser.close();
