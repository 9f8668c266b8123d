// Notices above every view: lost connections, missing flags and conflicts; and the view of all connections.

import { assert, audit, scenario, perform } from "./browser.mjs";
import { go, open } from "./views.mjs";

const notice = (page, key) => page.locator(`#notices [data-key=${key}]`);
const gone = (page, key) => notice(page, key).waitFor({ state: "detached" });

await scenario(async (browser) => {
  const page = await open(browser);
  // Two notices are visible; a button shows the others.
  await page.click(".more-notices[aria-expanded=false]");
  await notice(page, "media-relay").waitFor();
  assert.match(await notice(page, "media-relay").textContent(), /1 phones have their media relayed/);

  await perform("tick away");
  const missing = notice(page, "missing-grant");
  await missing.waitFor();
  assert.match(await missing.textContent(), /Error:.*gangway-yealink at the PBX pbx lacks the flag Services: tick it/s);
  assert.match(await missing.locator(".since").textContent(), /since .*\d/);
  await perform("tick back");
  await gone(page, "missing-grant");

  await perform("two urls");
  await notice(page, "url-conflict").waitFor();
  assert.match(await notice(page, "url-conflict").textContent(), /yealink name different URLs: https:\/\/a\.example, https:\/\/b\.example/);
  await perform("one url");
  await gone(page, "url-conflict");

  // Notices are visible in another view too, here in German.
  const german = await open(browser, { locale: "de-DE" }, "#/history");
  await go(page, "#/connections", ".connections-view td");
  assert.ok((await page.locator(".connections-view tr", { hasText: "pbx" }).count()) >= 1);
  await perform("pbx away");
  await notice(page, "pbx-away").waitFor();
  assert.match(await notice(page, "pbx-away").locator(".since").textContent(), /since .*\d/);
  await notice(german, "pbx-away").locator("text=/seit .*\\d/").waitFor();
  assert.deepEqual(await audit(page), []);

  // A click requests a new snapshot.
  await page.click(".connections-view header button");
  await page.waitForSelector(".connections-view table[aria-busy=false] td");
  await page.waitForFunction(() => ![...document.querySelectorAll(".connections-view tbody tr")].some((row) => row.textContent.includes("gangway-yealink at pbx")));
  await perform("pbx back");
  await gone(page, "pbx-away");
  assert.deepEqual([...page.errors, ...german.errors], []);
});
