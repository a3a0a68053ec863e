// Passkeys in Chromium, with its virtual authenticators: made, touched for a decision of
// the page and of a command line, not touched, removed, and signed in with.
import { accessible, browser, check, done, given, parent, person, picture, read } from "./lib.mjs";

const dana = await person("dana");
const cdp = await dana.context().newCDPSession(dana);
await cdp.send("WebAuthn.enable");
const authenticator = async (transport) => (await cdp.send("WebAuthn.addVirtualAuthenticator", {
  options: { protocol: "ctap2", transport, hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
})).authenticatorId;
const touches = (id, enabled) => cdp.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId: id, enabled });
const dialog = dana.locator(".dialog"); // toasts have that role too

// 1. The first one takes the passphrase.
const first = await authenticator("internal");
await dana.goto(`${given.base}/settings`);
await dana.getByText("You have none: your passphrase decides.").waitFor();
await dana.getByRole("button", { name: "Add a passkey…" }).click();
await dialog.getByLabel("Your passphrase").fill("not my passphrase");
await dana.keyboard.press("Enter");
await dialog.getByRole("alert").waitFor();
await dialog.getByLabel("Your passphrase").fill(given.people.dana.passphrase);
await dana.keyboard.press("Enter");
await dana.getByText("Your passkey counts from now on.").waitFor();
await dana.getByRole("list", { name: "Passkeys" }).locator("li").first().waitFor();
check((await dana.getByRole("list", { name: "Passkeys" }).locator("li").count()) === 1, "the settings do not show the passkey");
await accessible(dana, "settings with a passkey");
await picture(dana, "settings-passkey");

// 2. A decision of the page, by keyboard and touch alone.
await parent("ask");
await dana.goto(`${given.base}/requests`);
await dana.locator(".request-title").waitFor();
await cdp.send("WebAuthn.setUserVerified", { authenticatorId: first, isUserVerified: false });
await dana.keyboard.press("a");
await dialog.getByText("You touch your passkey for exactly this.").waitFor();
check((await dialog.locator('input[type="password"]').count()) === 0, "the dialog asks for a passphrase too");
await accessible(dana, "a decision by touch");
await picture(dana, "touch-dialog");
await dialog.getByRole("button", { name: "Approve", exact: true }).click();
await dialog.getByText("No passkey was touched.").waitFor();
check(!(await read(dana, "/requests?scope=review")).items.some((r) => r.votes?.length), "it was decided without verification");
await cdp.send("WebAuthn.setUserVerified", { authenticatorId: first, isUserVerified: true });
await dialog.getByRole("button", { name: "Approve", exact: true }).click();
await dialog.waitFor({ state: "detached" });
const decided = (await read(dana, "/requests?scope=all")).items[0];
check(decided.status === "approved" && decided.votes[0].passkey === true, `after the touch the request is ${decided.status}, ${JSON.stringify(decided.votes)}`);

// 3. A further one takes the touch of one that is there.
const second = await authenticator("usb");
await touches(first, false);
await dana.goto(`${given.base}/settings`);
await dana.getByRole("button", { name: "Add a passkey…" }).click();
check((await dialog.locator('input[type="password"]').count()) === 0, "a further passkey asks for the passphrase");
let before = -1;
await dana.route("**/api/v1/touches/*/challenge", async (route) => { // it is made; nobody has touched
  before = (await read(dana, "/passkeys")).items.length;
  await touches(second, false); // or it would be touched, and have nothing that is asked for
  await touches(first, true);
  await route.continue();
});
await dialog.getByRole("button", { name: "Add", exact: true }).click();
await dialog.waitFor({ state: "detached" });
check((await read(dana, "/passkeys")).items.length === 2, "the second one does not count");
check(before === 1, `before the touch ${before} passkeys counted`);
await dana.unroute("**/api/v1/touches/*/challenge");

// 4. A command line waits; what it asks for is shown, and touched for here.
const page = await parent("approve");
check(page.startsWith(`${given.base}/touch/`), `the command line leads to ${page}`);
await dana.goto(page);
await dana.getByRole("heading", { name: /^Approve: Worker Two/ }).waitFor();
await dana.getByText(given.canary).waitFor();
await accessible(dana, "what a command line asks to be touched for");
await picture(dana, "touch-page");
const worker = await person("worker");
await worker.goto(page);
await worker.getByText(/Nothing of yours waits|nothing of yours waits/).waitFor();
await dana.getByRole("button", { name: "Touch your passkey" }).press("Enter");
await dana.getByText("Whoever asked goes on").waitFor();
check((await parent("approved")) === "0", "the command line did not come to its end");

// 5. What is dropped is not done.
const dropped = await parent("deny");
await dana.goto(dropped);
await dana.getByRole("heading", { name: /^Deny: / }).waitFor();
await dana.getByRole("button", { name: "Drop it" }).click();
await dana.getByText("Nothing was changed.").waitFor();
check((await parent("denied")) !== "0", "the command line says that it was done");

// An address that somebody sends has the page speak of touches, and to no other route.
const asked = [];
const listen = (r) => asked.push(new URL(r.url()).pathname);
dana.on("request", listen);
await dana.goto(`${given.base}/touch/..%2Fpasskeys`);
await dana.getByText(/nothing of yours waits/i).waitFor();
dana.off("request", listen);
check(!asked.includes("/api/v1/passkeys"), "the page of a touch spoke to another route");

// 6. One is removed by the touch of the other, and signs nobody in.
await dana.goto(`${given.base}/settings`);
await touches(first, false);
await touches(second, true);
await dana.getByRole("list", { name: "Passkeys" }).locator("li").first().getByRole("button", { name: "Remove…" }).click();
await dialog.getByRole("button", { name: "Remove", exact: true }).click();
await dialog.waitFor({ state: "detached" });
check((await read(dana, "/passkeys")).items.length === 1, "it was not removed");

// 7. Signed out, and in again by the one that is left; the other says that it does not.
const signOut = async () => {
  await dana.goto(`${given.base}/account`);
  await dana.getByRole("button", { name: "Sign out", exact: true }).first().click();
  await dana.getByText("You are signed out").waitFor();
  await dana.goto(`${given.base}/sign-in?next=/settings`);
};
await signOut();
await accessible(dana, "the page for signing in");
await picture(dana, "sign-in");
await touches(first, true);
await touches(second, false);
await dana.getByRole("button", { name: "Sign in with a passkey" }).click();
await dana.getByText("does not sign anybody in").waitFor();
await touches(first, false);
await touches(second, true);
await dana.getByRole("button", { name: "Sign in with a passkey" }).click();
await dana.waitForURL((u) => u.pathname === "/settings");
await dana.getByText(given.people.dana.email).waitFor();

// 8. Without JavaScript the page offers no passkey, and leads to the console.
const plain = await browser.newContext({ javaScriptEnabled: false });
const p = await plain.newPage();
await p.goto(`${given.base}/sign-in`);
check(!(await p.getByRole("button", { name: "Sign in with a passkey" }).isVisible()), "a button that does nothing is shown");
await plain.close();

await done();
