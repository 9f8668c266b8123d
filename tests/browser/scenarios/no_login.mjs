// If the configuration does not enable the password login, the right password is rejected, and the page names the keys.

import { assert, folder, newPage, given, scenario } from "./browser.mjs";

await scenario(async (browser) => {
  const page = await newPage(browser);
  await page.goto(folder);
  await page.fill("#password", given.password);
  await page.keyboard.press("Enter");
  assert.match(await page.textContent("[role=alert]"), /admin_password_login and admin_from/);
  assert.equal(await page.isVisible("#workspace"), false);
});
