// API tokens: created on the page, shown once, valid for their scope until they are revoked, and listed in the audit.

import { assert, audit, given, scenario } from "./browser.mjs";
import { go, open, phone, clickAction, waitForCause } from "./views.mjs";

const api = (token, path, init = {}) =>
  fetch(`${given.url}/api/v1${path}`, { ...init, headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" } });

async function problem(answer, status) {
  assert.equal(answer.status, status);
  assert.match(answer.headers.get("content-type"), /^application\/problem\+json/);
  const reported = await answer.json();
  assert.equal(reported.status, status);
  assert.ok(reported.title && reported.detail, JSON.stringify(reported));
}

async function make(page, name, scope, days = "") {
  await page.fill("input[name=name]", name);
  await page.selectOption("select[name=scope]", scope);
  await page.fill("input[name=days]", days);
  await page.click(".token-form .primary");
  await page.locator("#made", { hasText: name }).waitFor();
  await page.locator("[data-token]", { hasText: name }).waitFor();
  return page.textContent("#made code");
}

await scenario(async (browser) => {
  const page = await open(browser, {}, "#/tokens");
  await page.waitForSelector(".token-form");
  await page.waitForSelector("text=There are no tokens.");

  // A new token gets the focus, so that screen readers announce it.
  const reader = await make(page, "report", "read", "30");
  assert.ok(reader.length > 20);
  assert.equal(await page.evaluate(() => document.activeElement.id), "made");
  const hostile = '<img src=x onerror="window.hacked=1">';
  const writer = await make(page, hostile, "write");
  assert.equal(await page.evaluate(() => window.hacked), undefined);

  // A duplicate name is rejected next to its field, and no token is created.
  await page.fill("input[name=name]", "report");
  await page.click(".token-form .primary");
  await page.waitForSelector("#wrong-name");
  assert.equal(await page.locator("[data-token]").count(), 2);

  // The token is shown only once.
  await go(page, "#/devices", ".grid .row[data-mac]");
  await go(page, "#/tokens", "[data-token=report]");
  const whole = await page.textContent("#content");
  assert.ok(!whole.includes(reader) && !whole.includes(writer));

  // The token is valid for its scope.
  const phones = await api(reader, "/phones");
  assert.equal(phones.status, 200);
  assert.ok(JSON.stringify(await phones.json()).includes(given.mac));
  await problem(await api(reader, "/settings", { method: "PATCH", body: JSON.stringify({ values: {} }) }), 403);
  assert.equal((await api(writer, "/settings", { method: "PATCH", body: JSON.stringify({ values: { window_days: "3" } }) })).status, 204);

  // The first click asks for a confirmation, the second one revokes the token at once.
  const row = page.locator("tr", { has: page.locator("[data-token=report]") });
  await row.locator("button").click();
  await row.locator("button:has-text('Revoke for good')").waitFor();
  assert.equal((await api(reader, "/phones")).status, 200, "asked, not done");
  await row.locator("button").click();
  await page.waitForSelector("[data-token=report]", { state: "detached" });
  await problem(await api(reader, "/phones"), 401);

  // The audit names user, source and target, also of scripts and of actions on phones.
  await phone(page, given.mac);
  await clickAction(page, "block");
  await waitForCause(page, "blocked");
  await go(page, "#/tokens", "tr.audit");
  const rows = await page.$$eval("tr.audit", (all) => all.map((one) => one.textContent));
  for (const [deed, who] of [[/make the read token report/, /password/], [/revoke the token report/, /127\.0\.0\.1/], [/window_days/, /token </], [new RegExp(given.mac), /127\.0\.0\.1/]]) {
    assert.ok(rows.some((one) => deed.test(one) && who.test(one)), `${deed}: ${rows.join("\n")}`);
  }
  assert.ok(!rows.join().includes(reader) && !rows.join().includes(writer));
  assert.deepEqual(await audit(page), []);
  await page.setViewportSize({ width: 400, height: 800 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 400);
  // The duplicate name was reported by an answer, not by an error of the page.
  assert.deepEqual(page.errors, []);
});
