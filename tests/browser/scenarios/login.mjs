// The password login: wrong, too often wrong, right; through a restart it logs in again by itself.

import { assert, enter, folder, fresh, given, scenario, until, world } from "./browser.mjs";

const attempt = async (page, password) => {
  await page.fill("#password", password);
  await page.keyboard.press("Enter");
  await until(page, () => !document.querySelector(".login button")?.disabled);
};

await scenario(async (browser) => {
  const page = await fresh(browser);
  const started = await page.goto(folder);
  const policy = started.headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(started.headers()["x-content-type-options"], "nosniff");
  await page.waitForSelector("#password:focus");

  await attempt(page, "guess");
  assert.match(await page.textContent("[role=alert]"), /the password is wrong/);
  assert.equal(await page.isVisible("#workspace"), false);

  // Right: inside, and the password lies nowhere.
  await enter(page);
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
  assert.ok(!kept.includes(given.password), kept);

  // A restart passes without asking again.
  await world("restart");
  await page.waitForSelector("#notices [role=alert]", { state: "detached" });
  await page.evaluate(() => (location.hash = "#/about"));
  await page.waitForSelector(".view-about dd");
  assert.match(await page.textContent(".view-about"), /by the instance's password/);

  // Five wrong ones: not even the right one is taken, and the page says why.
  const other = await fresh(browser);
  await other.goto(folder);
  for (let i = 0; i < 5; i += 1) await attempt(other, `guess ${i}`);
  assert.match(await other.textContent("[role=alert]"), /up to an hour/);
  await attempt(other, given.password);
  assert.match(await other.textContent("[role=alert]"), /up to an hour/);
  assert.equal(await other.isVisible("#workspace"), false);
  assert.deepEqual([...page.wrong, ...other.wrong], []);
});
