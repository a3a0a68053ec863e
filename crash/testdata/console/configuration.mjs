// The configuration in the console: form and text in step, the sentence, tests, the plan, and
// what two tabs, an old page and hostile text come to.
import { accessible, check, done, given, parent, person, picture, read } from "./lib.mjs";

const ada = await person("ada");
const area = (p) => p.locator(".yaml textarea");
const textOf = (p) => area(p).inputValue();
const field = (p, name) => p.locator(".form-and-text").getByLabel(name, { exact: true });
const aloud = (p) => p.locator(".aloud-text");

// 1. From the list to a policy; its text is the one that was applied, its place is said.
await ada.goto(`${given.base}/policies`);
await ada.locator(".card-title a").first().waitFor();
await ada.getByText("curfew.yaml:").first().waitFor();
await picture(ada, "policies");
const policies = (await read(ada, "/policies")).items;
const name = policies[0].name;
await ada.getByRole("link", { name, exact: true }).click();
await area(ada).waitFor();
const before = await textOf(ada);
check(before.includes("# as finance wants them"), "the comments of what was applied are not there");
await aloud(ada).filter({ hasText: policies[0].sentence.slice(0, 30) }).waitFor();
await ada.getByText("1 test of 1 hold").waitFor();
await picture(ada, "editor");
await accessible(ada, "the editor");

// 2. The form writes one line, and nothing else; the sentence follows.
await field(ada, "For at most").fill("25m");
const after = await textOf(ada);
const lines = (t) => new Set(t.split("\n"));
check([...lines(after)].filter((l) => !lines(before).has(l)).length === 1 && after.includes("at most: 25m"), `the form changed more than a line: ${[...lines(after)].filter((l) => !lines(before).has(l))}`);
await aloud(ada).filter({ hasText: "25 minutes" }).waitFor();
await ada.getByText(/line changed/).waitFor();

// 3. The text changes the form; broken text switches it off and says where.
await area(ada).fill(after.replace("at most: 25m", "at most: 20m"));
check((await field(ada, "For at most").inputValue()) === "20m", "the form does not follow the text");
await area(ada).fill(after.replace("at most: 25m", "at most: [20m"));
await ada.getByText(/The form is back when the text can be read/).waitFor();
await ada.locator(".checks .no").first().waitFor();
await picture(ada, "editor-broken");
await accessible(ada, "the editor, its text broken");
check(await ada.getByRole("button", { name: "Plan…" }).isDisabled(), "what is broken can be planned");
await area(ada).fill(after.replace("at most: 25m", "at must: 20m"));
await ada.getByText("did you mean `at most`?").waitFor();
await ada.locator(".checks .no button").first().click();
check(/at must/.test(await area(ada).evaluate((a) => a.value.slice(a.selectionStart, a.selectionEnd))), "a problem's place does not lead to its line");

// 4. Hostile text: none of it freezes the page or is taken.
const bombs = { deep: "[".repeat(50_000), aliases: "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b]\n", wide: `curfew: v1\n${Array.from({ length: 20_000 }, (_, i) => `k${i}: v`).join("\n")}`, proto: "curfew: v1\n__proto__: { polluted: yes }\nconstructor: { prototype: { polluted: yes } }\n", huge: `curfew: v1 # ${"x".repeat(900_000)}`, hidden: "curfew: v1\npolicies: { \u202egnp: }\n", script: "curfew: v1\npolicies: { '<img src=x onerror=alert(1)>': { who: x } }\n" };
for (const [what, text] of Object.entries(bombs)) {
  const began = Date.now();
  await area(ada).evaluate((a, t) => { // as a paste
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(a, t);
    a.dispatchEvent(new Event("input", { bubbles: true }));
  }, text);
  await ada.evaluate(() => new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r))));
  const took = Date.now() - began;
  check(took < 10_000, `${what}: the page stands still for ${took} ms`);
  await ada.locator("section[aria-busy=false] .checks .no, section[aria-busy=false] .fault, section[aria-busy=false] .muted").first().waitFor();
  check(await ada.evaluate(() => ({}).polluted === undefined), `${what} changed every object`);
  console.log(`FIGURE ${what} text of ${text.length} characters: ${took} ms until the page is drawn again`);
}

// 5. Another tab has changed the configuration meanwhile: nothing of it is undone unseen.
await area(ada).fill(after);
await aloud(ada).filter({ hasText: "25 minutes" }).waitFor();
await parent("change");
await ada.getByText("Somebody has changed the configuration meanwhile").waitFor();
check(await ada.getByRole("button", { name: "Plan…" }).isDisabled(), "a plan of an old text is made");
await picture(ada, "editor-stale");
await accessible(ada, "the editor, its text old");
await ada.getByRole("button", { name: "Throw away…" }).click();
await ada.locator(".dialog").getByRole("button", { name: "Throw away", exact: true }).click();
await area(ada).waitFor();
await ada.waitForFunction(() => document.querySelector(".yaml textarea")?.value.includes("somebody else was here"));

// 6. The plan, wrong passphrase, right passphrase; twice is once.
await field(ada, "For at most").fill("25m");
await ada.getByRole("button", { name: "Plan…" }).click();
await ada.locator(".dialog").getByLabel("What changes").waitFor();
await picture(ada, "plan");
await accessible(ada, "a plan");
await ada.keyboard.type("not my passphrase");
await ada.keyboard.press("Enter");
await ada.locator(".dialog").getByRole("alert").waitFor();
check((await read(ada, "/config")).files[0].text !== (await textOf(ada)), "a wrong passphrase applied it");
await ada.keyboard.type(given.people.ada.passphrase);
const applied = [];
ada.on("request", (r) => { if (r.url().endsWith("/config/apply")) applied.push(r); });
await ada.evaluate(() => { const b = [...document.querySelectorAll('.dialog button')].find((x) => x.textContent === "Apply"); b.click(); b.click(); });
await ada.locator(".dialog").waitFor({ state: "detached" });
check(applied.length === 1, `applied ${applied.length} times`);
await ada.getByText("It holds now.").waitFor();
await aloud(ada).filter({ hasText: "25 minutes" }).waitFor();
check((await read(ada, "/config")).files[0].text.includes("at most: 25m"), "it does not hold");
check((await read(ada, "/config")).files[0].text.includes("# as finance wants them"), "its comments are lost");

// 7. Two tabs, two plans: the second is refused, and says what to do.
const tab = await ada.context().newPage();
await tab.goto(`${given.base}/policies?name=${encodeURIComponent(name)}`);
await field(tab, "For at most").fill("15m");
await tab.getByRole("button", { name: "Plan…" }).click();
await tab.locator(".dialog").getByLabel("What changes").waitFor();
await field(ada, "For at most").fill("10m");
await ada.getByRole("button", { name: "Plan…" }).click();
await ada.locator(".dialog").getByLabel(/passphrase/i).fill(given.people.ada.passphrase);
await ada.keyboard.press("Enter");
await ada.locator(".dialog").waitFor({ state: "detached" });
await tab.locator(".dialog").getByLabel(/passphrase/i).fill(given.people.ada.passphrase);
await tab.keyboard.press("Enter");
await tab.locator(".dialog").getByRole("alert").filter({ hasText: /has changed since/ }).waitFor();
check((await read(ada, "/config")).files[0].text.includes("at most: 10m"), "the second tab undid the first");
await tab.close({ runBeforeUnload: false });

// 8. A new role and a new resource, by their forms; a name that is taken; they go with the policy into one plan.
for (const [section, one, label, value] of [["resources", "resource", "Address", "new.internal:5432"], ["roles", "role", "What it is for", "To look at what is new."]]) {
  await ada.goto(`${given.base}/${section}`);
  await ada.getByRole("button", { name: `New ${one}…` }).click();
  const taken = (await read(ada, `/${section}`)).items[0].name;
  await ada.locator(".dialog").getByLabel("Name").fill(taken);
  await ada.keyboard.press("Enter");
  await ada.locator(".dialog").getByRole("alert").waitFor();
  await ada.locator(".dialog").getByLabel("Name").fill(`new-${one}`);
  await ada.keyboard.press("Enter");
  await ada.getByRole("heading", { name: `new-${one}` }).waitFor();
  await field(ada, label).fill(value);
  check((await textOf(ada)).includes(value), `${one}: the form does not write the text`);
  await ada.locator("section[aria-busy=false] .checks").first().waitFor();
  await picture(ada, `new-${one}`);
  await accessible(ada, `a new ${one}`);
  await ada.getByRole("button", { name: "Throw away…" }).click();
  await ada.locator(".dialog").getByRole("button", { name: "Throw away", exact: true }).click();
}

// 9. Others read: who may change it is said, and neither the text nor a plan is to be had.
for (const who of ["lea", "mallory"]) {
  const p = await person(who);
  await p.goto(`${given.base}/policies?name=${encodeURIComponent(name)}`);
  await p.getByText("may change this: administrators").waitFor();
  check((await p.locator(".yaml").count()) === 0, `${who} sees the text`);
  check((await p.getByText("curfew.yaml:").count() > 0) === (who === "lea"), `${who} sees the files' places, or does not`);
  const status = await p.evaluate(async () => (await fetch("/api/v1/config")).status);
  check(status === 403, `${who} gets ${status} for the configuration`);
  await accessible(p, `the policies as ${who} sees them`);
}

await done();
