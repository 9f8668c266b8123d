// A client on another origin embeds the page and creates its login, as documented for the client's messages.

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { assert, newPage, given, scenario, until } from "./browser.mjs";

const who = {
  app: "gangway-admin", domain: given.domain, sip: "anna.admin", guid: "5cb0d3a8c5a84f4b9e0c0f8c7a6b5d4e", dn: "Anna Ädmin",
  info: { appobj: "gangway-admin", appurl: `${given.url}/gangway-admin`, pbx: "pbx", cn: "Anna <b>Ädmin</b> & Co", groups: [] },
};

function login(challenge, password) {
  const text = [who.app, who.domain, who.sip, who.guid, who.dn, JSON.stringify(who.info), challenge, password].join(":");
  return { mt: "Login", ...who, pbxObj: "gangway-admin", digest: createHash("sha256").update(text).digest("hex"), key: "0".repeat(64) };
}

const client = (frame) => `<!doctype html><title>client</title><iframe src="${frame}" width="1200" height="700"></iframe>
<script>
  const received = (window.received = []);
  window.send = (message) => frames[0].postMessage(JSON.stringify(message), "*");
  addEventListener("message", async (event) => {
    const message = JSON.parse(event.data);
    received.push(message);
    if (message.mt !== "getLogin") return;
    const made = await (await fetch("/login?challenge=" + message.challenge + location.search.replace("?", "&"))).json();
    event.source.postMessage(JSON.stringify({ ...made, src: message.src }), "*");
  });
</script>`;

const server = createServer((request, answer) => {
  const url = new URL(request.url, "http://client");
  if (url.pathname === "/login") {
    const wrong = url.searchParams.get("as");
    const made = wrong === "refused" ? { mt: "Login", error: 1, errorText: "no such app" } : login(url.searchParams.get("challenge"), wrong === "wrong" ? "other" : given.password);
    answer.end(JSON.stringify(made));
    return;
  }
  answer.setHeader("Content-Type", "text/html; charset=utf-8");
  answer.end(client(`${given.url}/gangway-admin.htm?lang=de&scheme=dark&name=gangway-admin`));
});

await scenario(async (browser) => {
  await new Promise((ready) => server.listen(given.port, "127.0.0.1", ready));
  const page = await newPage(browser);
  await page.goto(`http://127.0.0.1:${given.port}/`);
  const frame = page.frameLocator("iframe");
  await frame.locator(".grid .row[data-mac]").first().waitFor();

  // The page sends Alive first, then its menu state.
  const received = await page.evaluate(() => window.received);
  assert.equal(received[0].mt, "Alive");
  assert.ok(received.some(({ mt, value }) => mt === "SetMenuState" && value === "closed"));
  assert.equal(received.filter(({ mt }) => mt === "getLogin").length, 1);
  // Messages to the parent contain nothing but the challenge.
  assert.deepEqual(Object.keys(received.find(({ mt }) => mt === "getLogin")).sort(), ["app", "challenge", "mt", "src"]);

  // The page uses the client's language and scheme, not the browser's.
  const inner = page.frames()[1];
  const look = () => inner.evaluate(() => [document.documentElement.lang, getComputedStyle(document.body).colorScheme, document.querySelector("#head .tabs a").textContent]);
  assert.deepEqual(await look(), ["de", "dark", "Geräte"]);
  await page.evaluate(() => { window.send({ mt: "SetScheme", scheme: "light" }); window.send({ mt: "SetLang", lang: "en" }); });
  await until(inner, () => document.documentElement.lang === "en" && getComputedStyle(document.body).colorScheme === "light");
  await frame.locator("text=RPS history").first().waitFor();

  // The client's menu button opens the page's menu.
  await page.evaluate(() => window.send({ mt: "SetMenuState", value: "open" }));
  await frame.locator("#menu a").first().waitFor();
  await frame.locator("#menu a", { hasText: "About" }).click();
  await frame.locator("text=Anna <b>Ädmin</b> & Co").first().waitFor();

  // A client whose login is rejected, and one that creates none.
  for (const [as, expected] of [["wrong", /did not take the client's login/], ["refused", /no such app/]]) {
    const other = await newPage(browser);
    await other.goto(`http://127.0.0.1:${given.port}/?as=${as}`);
    const note = other.frameLocator("iframe").locator("[role=alert]");
    await note.waitFor();
    const text = await note.textContent();
    assert.match(text, as === "wrong" ? /nicht angenommen/ : expected, text);
  }

  // A page of another origin may not embed the page.
  const stranger = createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end(`<iframe src="${given.url}/gangway-admin.htm"></iframe>`);
  });
  await new Promise((ready) => stranger.listen(0, "127.0.0.1", ready));
  const foreign = await newPage(browser);
  const refused = foreign.waitForEvent("console", (message) => /frame-ancestors/.test(message.text()));
  await foreign.goto(`http://127.0.0.1:${stranger.address().port}/`);
  await refused;
  stranger.close();
  server.close();
  assert.deepEqual(page.errors, []);
});
