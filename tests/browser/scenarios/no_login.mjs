// Where the configuration does not open the password login, the right password does not help, and the page names the keys.

import { assert, folder, fresh, given, scenario } from "./browser.mjs";

await scenario(async (browser) => {
  const page = await fresh(browser);
  await page.goto(folder);
  await page.fill("#password", given.password);
  await page.keyboard.press("Enter");
  assert.match(await page.textContent("[role=alert]"), /admin_password_login and admin_from/);
  assert.equal(await page.isVisible("#workspace"), false);
});
