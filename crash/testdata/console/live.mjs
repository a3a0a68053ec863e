// What shows sessions and the past: live ones, replay, receipts, evidence, the access map, the audit
// log; before sessions whose every text would rather act than be read.
import { accessible, check, done, everyPage, given, parent, person, picture, read } from "./lib.mjs";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const options = { permissions: ["clipboard-read", "clipboard-write"] };
const dana = await person("dana", options);
const ada = await person("ada");
await dana.evaluate(() => navigator.clipboard.writeText("mine"));
const acts = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/;
/** A place where a terminal's text is: cells and nothing else. */
async function cells(p, where, what) {
  const seen = await p.locator(where).first().evaluate((n) => ({ text: n.textContent, inside: [...new Set([...n.querySelectorAll("*")].map((e) => e.tagName))], title: document.title }));
  check(!acts.test(seen.text), `${what}: characters that act are shown: ${JSON.stringify(seen.text.match(acts)?.[0])}`);
  check(seen.inside.every((t) => t === "SPAN" || t === "DIV" || t === "CANVAS" || t === "PRE" || t === "svg" || t === "defs" || t === "g" || t === "use" || t === "rect"), `${what}: there are ${seen.inside}`);
  check(!/owned|title/.test(seen.title), `${what}: the title is ${seen.title}`);
  return seen.text;
}
const until = async (f, what, most = 15_000) => {
  for (const end = Date.now() + most; Date.now() < end; await new Promise((r) => setTimeout(r, 50))) if (await f()) return true;
  check(false, `never: ${what}`);
  return false;
};
const shows = (p, where, text, most) => until(async () => ((await p.locator(where).first().textContent().catch(() => "")) ?? "").includes(text), `${where} shows ${text}`, most);

// 1. Live: a tile, its terminal in colours; nothing is hidden and nothing acts.
await dana.goto(`${given.base}/live`);
const one = '.tile[aria-label="Worker One on web-1"]';
await dana.locator(one).waitFor();
await dana.getByRole("button", { name: "Look at all" }).click();
await dana.locator(`${one} .terminal`).waitFor();
await shows(dana, '.tile[aria-label="Worker One on office"] .peek', "/orders/");
await parent("type hostile");
await shows(dana, `${one} .terminal`, "<script>alert(6)</script>");
const tile = (await cells(dana, `${one} .terminal`, "a tile")).replaceAll("\n", "");
for (const words of ["a link", "hidden words", "black on black", "<img src=x onerror=alert(7)>"]) check(tile.includes(words), `the tile does not show ${words}: ${tile}`);
await parent("type colours");
await shows(dana, `${one} .terminal`, "failure of pump seven");
const shade = (text) => dana.locator(`${one} .terminal span`).evaluateAll((all, t) => { const n = all.find((e) => e.textContent === t); const s = n && getComputedStyle(n); return s ? [s.color, s.backgroundColor, s.fontWeight] : null; }, text);
const [red, green, black] = [await shade("failure"), await shade("pump"), await shade("black on black")];
check(red && red[0] === "rgb(240, 113, 120)", `red is shown as ${red}`);
check(green && green[1] !== "rgba(0, 0, 0, 0)" && green[2] === "600", `a word on green is shown as ${green}`);
check(black && black[0] !== black[1] && black[0] !== "rgb(52, 58, 70)", `black on black is shown as ${black}`);
await dana.getByRole("button", { name: "Wall" }).click();
await dana.waitForURL((u) => u.searchParams.get("wall") === "1");
await picture(dana, "live-wall");
await accessible(dana, "the wall");

// 2. Watch: letters one by one, a line of a megabyte, another size, a program with the whole screen.
await dana.locator(one).getByRole("link", { name: "Watch" }).click();
await dana.locator(".terminal.full").waitFor();
check(!(await dana.locator("h1").first().innerHTML()).includes("<img"), "the client's name acts");
await dana.getByText("<img/src=x/onerror=alert(9)>").first().waitFor();
await parent("type letters");
await shows(dana, ".terminal.full", "needleofkeys");
await parent("type whole");
await shows(dana, ".terminal.full", "whole screen");
await shows(dana, ".terminal.full", "needleofkeys");
const began = Date.now();
await parent("type long");
if (await shows(dana, ".terminal.full", "after it", 20_000)) console.log(`FIGURE a line of a megabyte is on the watcher's screen after ${Date.now() - began} ms`);
await parent("type size 100x40");
await parent("type last words");
await shows(dana, ".terminal.full", "last words");
await cells(dana, ".terminal.full", "the terminal");
await accessible(dana, "a terminal that is watched");
await picture(dana, "live-watch");
const session = new URL(dana.url()).pathname.split("/").pop();

// 3. A cut by keyboard; its receipt says that it is gone, and in how long.
await ada.goto(`${given.base}/sessions/${session}`);
await ada.getByRole("button", { name: /Cut…/ }).waitFor();
await ada.locator("main").focus();
await ada.keyboard.press("x");
await ada.locator(".dialog,.palette").getByLabel(/Why/).fill("seen <b>enough</b>");
await ada.locator(".dialog,.palette").getByRole("button", { name: "Cut now" }).click();
await ada.getByText(/verified gone at the target in [\d.]+ m?s/).waitFor();
for (const p of [ada, dana]) await p.getByRole("heading", { name: "Receipt" }).waitFor();
await dana.getByText("“seen <b>enough</b>”").waitFor();

// 4. Replay: plays, seeks, finds the second at which something could be read.
await dana.locator(".ap-player .ap-term").first().waitFor();
const box = dana.locator(".player-box");
const shown = async () => (await dana.locator(".ap-term").first().textContent()) ?? "";
const time = () => dana.evaluate(() => { const [m, s] = (document.querySelector(".ap-time-elapsed")?.textContent ?? "0:0").split(":").slice(-2).map(Number); return m * 60 + s; });
await box.focus();
await dana.keyboard.press("Home");
await dana.keyboard.press(" ");
await until(async () => (await time()) >= 1, "the replay plays");
await dana.keyboard.press(" ");
const stood = await time();
await dana.waitForTimeout(1200);
check((await time()) === stood, "it does not stop");
await dana.keyboard.press("ArrowRight");
await until(async () => (await time()) > stood, "an arrow seeks"); // five seconds on, or to the end
const ahead = await time();
await dana.keyboard.press("ArrowLeft");
await until(async () => (await time()) < ahead, "an arrow seeks back");
const sought = await time();
await dana.getByLabel("Speed").selectOption("4");
await dana.locator(".ap-player .ap-term").first().waitFor();
await until(async () => Math.abs((await time()) - sought) <= 1, "another speed goes on where it was");
await box.focus();
await dana.keyboard.press("/");
check(await dana.getByLabel("Find on the screen").evaluate((n) => n === document.activeElement), "/ does not go to the search");
for (const [words, line, not] of [["failure pump", "failure of pump seven", "needleofkeys"], ["needleofkeys", "needleofkeys", "after it"], ["whole screen", "whole screen", "after it"]]) {
  await dana.getByLabel("Find on the screen").fill(words);
  await dana.keyboard.press("Enter");
  await dana.getByRole("status").filter({ hasText: /^1 of/ }).waitFor();
  await until(async () => (await shown()).includes(line) && !(await shown()).includes(not), `searching ${words} jumps to where ${line} is on the screen, before ${not}`);
}
await dana.getByLabel("Find on the screen").fill("nobody says this");
await dana.keyboard.press("Enter");
await dana.getByRole("status").filter({ hasText: "nowhere" }).waitFor();
await box.focus();
await dana.keyboard.press("Home");
const rows = () => dana.locator(".ap-term .ap-line").count();
await until(async () => (await rows()) === 24, "it begins in its first size");
await dana.keyboard.press("End");
await until(async () => (await rows()) === 40 && (await shown()).includes("last words"), "it ends in its last size");
const replayed = await cells(dana, ".ap-term", "the replay");
check(!/javascript:/.test(await box.evaluate((n) => n.innerHTML)), "a link of the program is a link on the page");
check(replayed.includes("last words"), "the replay does not come to its end");
check((await dana.evaluate(() => navigator.clipboard.readText())) === "mine", "a program wrote to the clipboard");
await accessible(dana, "a replay");
await picture(dana, "live-replay");

// 5. Evidence that verifies without the gateway.
const save = async (p, click, name) => {
  const [d] = await Promise.all([p.waitForEvent("download"), click()]);
  const path = join(given.folder, name);
  await d.saveAs(path);
  return path;
};
await parent(`evidence ${await save(dana, () => dana.getByRole("link", { name: "Export as evidence" }).click(), "session.evidence")}`);

// 6. Sessions: filters are in the address, and back is back.
await dana.goto(`${given.base}/sessions`);
const list = dana.locator("tbody tr");
await until(async () => (await list.count()) === 3, "three sessions are listed");
check((await dana.getByLabel("Whose").textContent()).includes("Eve <b>X</b>"), "a name is not shown as it is");
check((await list.filter({ hasText: "web-1" }).textContent()).includes("Lea Lead"), "the list does not say who has viewed it");
await dana.getByLabel("Resource").selectOption("web-1");
await dana.waitForURL((u) => u.searchParams.get("resource") === "web-1");
await until(async () => (await list.count()) === 1, "one of them is on web-1");
await dana.reload();
await until(async () => (await list.count()) === 1, "and still is after the page is loaded again");
await dana.goBack();
await until(async () => (await list.count()) === 3, "back shows all three");
await dana.getByLabel("Whose").selectOption({ label: "Worker One" });
await until(async () => (await list.count()) === 2, "two are worker one's");
await dana.goto(`${given.base}/sessions?from=2030-01-01T00:00:00Z`);
await dana.getByText("No session is like that.").waitFor();
await dana.goto(`${given.base}/sessions`);
await dana.locator("[data-filter]").fill("needleofsql");
await dana.keyboard.press("Enter");
await dana.locator(".found a").first().click();
await dana.locator(".said-row.wanted").waitFor();
await dana.getByText("needleofsql <script>alert(2)</script>").first().waitFor();
await dana.getByText("<img src=x onerror=alert(1)>").first().waitFor();
await dana.getByText("x\\u202egnp.exe").first().waitFor();
check(/statements?, 0 refused/.test((await dana.locator(".timeline").getAttribute("aria-label")) ?? ""), `the timeline says ${await dana.locator(".timeline").getAttribute("aria-label")}`);
await accessible(dana, "what was said");
const web = (await read(dana, "/sessions?scope=all&resource=office")).items[0];
await dana.goto(`${given.base}/sessions/${web.id}`);
await dana.locator(".said-row", { hasText: "/orders/" }).first().waitFor();
await picture(dana, "live-http");
const path = await dana.locator(".said-row", { hasText: "/orders/" }).first().textContent();
check(/GET/.test(path) && /200/.test(path), `a request is shown as ${path}`);

// 7. The access map at past moments is what the command line says; as a table, and as a graph with a list.
for (const m of given.moments) {
  await dana.goto(`${given.base}/map?resource=shop-db&at=${encodeURIComponent(m.At ?? m.at)}`);
  await dana.locator("tbody tr").first().waitFor();
  const rows = await dana.locator("tbody tr").evaluateAll((all) => all.map((r) => [r.cells[0].textContent, r.cells[1].textContent.replace(/^\S+ /, "").replace(/ until.*/, ""), r.cells[2].textContent]));
  const sorted = (x) => JSON.stringify(x.map((r) => r.join("|")).sort());
  check(sorted(rows) === sorted(m.rows), `at ${m.at} the page says ${sorted(rows)}, the command line ${sorted(m.rows)}`);
}
await dana.getByRole("tab", { name: "Graph" }).click();
await dana.waitForURL((u) => u.searchParams.get("tab") === "graph");
check((await dana.locator(".paths li").count()) === given.moments.at(-1).rows.length, "the graph's list is not the table's");
await accessible(dana, "the graph");
await picture(dana, "live-graph");
await dana.getByRole("button", { name: "Now" }).click();
await dana.getByRole("button", { name: "1 h before" }).click();
await dana.waitForURL((u) => u.searchParams.get("at") !== null);
await dana.getByRole("button", { name: "1 h after" }).click();
await dana.waitForURL((u) => u.searchParams.get("at") === null);

// 8. Audit: verified, chips, a bar, a view that is kept, and three exports.
await dana.goto(`${given.base}/audit`);
await dana.getByText(/verified to \d/).waitFor();
await dana.locator("tbody tr").first().waitFor();
await dana.getByRole("button", { name: "grants", exact: true }).click();
await dana.waitForURL((u) => u.searchParams.get("q") === "kind:grant.");
await until(async () => (await dana.locator("tbody tr td:nth-child(3)").allTextContents()).every((t) => /grant/.test(t)), "only grants are listed");
await dana.getByRole("button", { name: "Keep view" }).waitFor();
await dana.locator("[data-filter]").fill("kind:session. resource:web-1");
await dana.keyboard.press("Enter");
await dana.getByRole("button", { name: "Keep view" }).click();
await dana.reload();
await dana.getByRole("button", { name: "kind:session. resource:web-1", exact: true }).waitFor();
await dana.getByRole("button", { name: "Without resource web-1" }).click();
await dana.waitForURL((u) => u.searchParams.get("q") === "kind:session.");
await dana.goto(`${given.base}/audit`);
await dana.locator(".histogram-bars button").first().click();
await dana.waitForURL((u) => u.searchParams.get("from") !== null);
await dana.goto(`${given.base}/audit?q=kind:session.`);
await dana.locator("tbody tr").first().waitFor();
const n = await dana.locator("tbody tr").count();
const ndjson = readFileSync(await save(dana, () => dana.getByRole("button", { name: "NDJSON" }).click(), "audit.ndjson"), "utf8").trim().split("\n").map((l) => JSON.parse(l));
check(ndjson.length === n && ndjson.every((e) => e.kind.startsWith("session.")), `${ndjson.length} lines of NDJSON for ${n} rows`);
const csv = readFileSync(await save(dana, () => dana.getByRole("button", { name: "CSV" }).click(), "audit.csv"), "utf8").split("\r\n");
check(csv.length === n + 1 && csv.slice(1).every((l) => /^"\d+",/.test(l)), `the CSV is ${csv.slice(0, 3).join(" / ")}`);
await parent(`ledger ${await save(dana, () => dana.getByRole("link", { name: "Export, signed" }).click(), "ledger.curfew")}`);

// 9. Insights are drawn, and in words for those who do not see them.
await dana.goto(`${given.base}/insights`);
await dana.locator(".plot canvas").first().waitFor();
check((await dana.locator(".plot canvas").count()) >= 4 && (await dana.locator(".plot table").count()) >= 4, "plots are missing");

const pages = [`/sessions/${session}`, "/map?tab=graph"]; // the others with pictures only: console.mjs has them
await everyPage(dana, given.pictures ? ["/live", `/sessions/${web.id}`, "/sessions", "/map", "/audit", "/insights", ...pages] : pages, "live");
await done();
