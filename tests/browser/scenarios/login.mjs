// The password login: wrong, wrong too often, and right; after a restart of the gateway the page logs in again.

import { assert, logIn, folder, newPage, given, scenario, until, perform } from "./browser.mjs";

const attempt = async (page, password) => {
  await page.fill("#password", password);
  await page.keyboard.press("Enter");
  await until(page, () => !document.querySelector(".login button")?.disabled);
};

await scenario(async (browser) => {
  const page = await newPage(browser);
  const started = await page.goto(folder);
  const policy = started.headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.equal(started.headers()["x-content-type-options"], "nosniff");
  await page.waitForSelector("#password:focus");

  await attempt(page, "guess");
  assert.match(await page.textContent("[role=alert]"), /the password is wrong/);
  assert.equal(await page.isVisible("#workspace"), false);

  // The right password opens the page and is not stored anywhere.
  await logIn(page);
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]));
  assert.ok(!kept.includes(given.password), kept);

  // After a restart the page does not ask for the password again.
  await perform("restart");
  await page.waitForSelector("#notices [role=alert]", { state: "detached" });
  await page.evaluate(() => (location.hash = "#/about"));
  await page.waitForSelector(".view-about dd");
  assert.match(await page.textContent(".view-about"), /by the instance's password/);

  // After five wrong passwords the right one is rejected too, and the page shows why.
  const other = await newPage(browser);
  await other.goto(folder);
  for (let i = 0; i < 5; i += 1) await attempt(other, `guess ${i}`);
  assert.match(await other.textContent("[role=alert]"), /up to an hour/);
  await attempt(other, given.password);
  assert.match(await other.textContent("[role=alert]"), /up to an hour/);
  assert.equal(await other.isVisible("#workspace"), false);
  assert.deepEqual([...page.errors, ...other.errors], []);
});
