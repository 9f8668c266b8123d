// The first steps: what the PBX lacks, the steps after a confirmation, and what phones need besides.

import { assert, audit, scenario } from "./browser.mjs";
import { confirmDialog, open } from "./views.mjs";

await scenario(async (browser) => {
  const page = await open(browser);
  const setup = page.locator(".setup");
  await setup.locator(".setup-finding").first().waitFor();
  assert.match(await setup.textContent(), /gangway-admin is there and connected.*Media Relay Endpoints/s);

  await setup.getByLabel("Yealink", { exact: true }).check();
  await setup.locator(".setup-finding", { hasText: "There is no app object gangway-yealink" }).waitFor();
  assert.match(await setup.textContent(), /By hand: Create an App object: Name gangway-yealink, URL http.*at most 15 characters/s);
  assert.deepEqual(await audit(page), []);

  await setup.locator("button.primary").click();
  await confirmDialog(page, async () => {
    assert.match(await page.locator("dialog").textContent(), /Tick gangway-yealink in the Apps tab of usersadmin/);
  });
  await setup.locator("text=The PBX is set up.").waitFor();
  assert.match(await setup.textContent(), /Done: Create the app object gangway-yealink/);
});
