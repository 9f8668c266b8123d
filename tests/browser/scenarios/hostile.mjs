// Markup in every field of a phone is shown as text: nothing runs and no element results from it.

import { assert, given, openList, scenario } from "./browser.mjs";

await scenario(async (browser) => {
  const page = await openList(browser);
  const row = page.locator(`[data-mac="${given.mac}"]`);
  for (const cell of [".col-user", ".col-model", ".col-firmware", ".col-category", ".col-pbx"]) {
    assert.ok((await row.locator(cell).textContent()).includes(given.hostile), cell);
  }
  assert.equal(await row.locator(".col-redirect [title]").getAttribute("title"), given.hostile);
  await page.fill("input[name=search]", given.hostile);
  await page.waitForSelector(`[data-mac="${given.mac}"]`);
  // Markup in the address and as a route.
  await page.evaluate((text) => (location.hash = `#/devices?search=${encodeURIComponent(text)}&vendor=${encodeURIComponent(text)}`), given.hostile);
  await page.waitForSelector("text=No phone matches");
  await page.evaluate((text) => (location.hash = `#/${encodeURIComponent(text)}/${encodeURIComponent(text)}`), given.hostile);
  await page.waitForSelector("#content .view-phone", { state: "attached" });
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.evaluate(() => document.querySelectorAll("img, #page script").length), 0);
  assert.deepEqual(page.errors.filter((text) => /script|Content Security/.test(text)), []);
});
