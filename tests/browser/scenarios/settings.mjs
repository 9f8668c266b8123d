// Settings: checked while they are edited, shown with their origin, and effective in the phone's file. The file is compared
// with the one that the phone fetched, and a secret is shown only on request.

import { assert, given, scenario, perform } from "./browser.mjs";
import { go, open, phone, confirmDialog } from "./views.mjs";

const setting = (name) => `[data-setting="${name}"]`;

async function save(page) {
  await page.click(".save button[type=submit]");
  await page.waitForSelector(".save .outcome.good");
}

await scenario(async (browser) => {
  const page = await open(browser, {}, "#/settings");
  const { mac } = given;

  // The page and the gateway check the values; a form with an invalid value is not saved.
  await page.waitForSelector(setting("language"));
  await page.fill("[name=window_days]", "99");
  assert.match(await page.textContent(`${setting("window_days")} .error`), /1 to 7/);
  await page.fill("[name=ntp_server_1]", "not a host");
  await page.waitForSelector(`${setting("ntp_server_1")} .error`);
  await page.click(".save button[type=submit]");
  assert.ok(["window_days", "ntp_server_1"].includes(await page.evaluate(() => document.activeElement.name)));
  await page.fill("[name=ntp_server_1]", "");
  await page.fill("[name=window_days]", "3");
  await page.fill("[name=timezone]", "Mars/Olympus");
  await page.click(".save button[type=submit]");
  await page.waitForSelector(`${setting("timezone")} .error`);
  assert.equal(await page.inputValue("[name=window_days]"), "3", "what was typed stays");
  await page.click(`${setting("timezone")} [data-do=undo]`);
  await save(page);
  await page.fill("[name=language]", "en");
  await save(page);

  // A narrower layer overrides wider ones and shows the overridden values.
  await page.selectOption("select[data-scope=vendor]", "yealink");
  await page.waitForSelector(".settings-view h1:has-text('yealink')");
  await page.waitForSelector(setting("language"));
  assert.equal(await page.locator(setting("window_days")).count(), 0, "only layered settings");
  await page.fill("[name=language]", "fr");
  await save(page);
  const about = page.locator(`${setting("language")} .about`);
  await about.locator("text=beats Whole instance: en").waitFor();
  assert.match(await about.textContent(), /at the phone's next request/);
  await about.locator("[data-pending]:has-text('1')").waitFor();

  // The value is in the file with its origin, and the difference shows only changed lines.
  await phone(page, mac);
  await page.click("#tab-config");
  const line = page.locator("table.file tr", { has: page.locator("text=/^lang.gui = French$/") });
  await line.waitFor();
  assert.match(await line.textContent(), /language from vendor:yealink, beats instance en/);
  await page.click(".config [data-kind=diff]");
  await page.waitForSelector("tr[data-kind=added]:has-text('lang.gui = French')");
  assert.equal(await page.locator("tr[data-kind=removed]:has-text('account.1.password')").count(), 0);
  const whole = await page.textContent("#content");
  for (const secret of given.secrets) assert.ok(!whole.includes(secret), "a secret is shown");

  // A changed secret is marked as changed.
  await go(page, `#/settings/phone:${mac}`, setting("phone_admin_password"));
  await page.fill("[name=phone_admin_password]", "Another-2-secret");
  await save(page);
  await phone(page, mac);
  await page.click("#tab-config");
  await page.click(".config [data-kind=diff]");
  const secret = page.locator("tr[data-kind=added]:has-text('user_password')");
  await secret.waitFor();
  assert.match(await secret.textContent(), /\*\*\*.*another secret/s);
  assert.ok(!(await page.textContent("#content")).includes("Another-2-secret"));

  // A password is revealed on request, and the timeline records it.
  await page.click(".config [data-kind=now]");
  await page.locator("tr.secret", { hasText: "account.1.password" }).waitFor();
  assert.equal(await page.locator("tr.secret button").count(), 0, "a line is offered for show");
  await page.click("[data-generated=files] button");
  await confirmDialog(page);
  await page.locator(`[data-generated=files] >> text=${given.secrets[1]}`).waitFor();
  await page.click("#tab-timeline");
  await page.waitForSelector(".entry.person:has-text('fetches its files')");

  // The phone fetches its file: the open page no longer shows a pending change.
  await page.click("#tab-config");
  await page.click(".config [data-kind=diff]");
  await page.waitForSelector("tr[data-kind=added]");
  await perform("polls");
  await page.waitForSelector("[data-summary]:has-text('Nothing would change')");

  // The gateway stores a delivered file slightly later: the page requests the difference again until it is stored.
  await perform("half delivered");
  await page.waitForSelector(".config .hint:has-text('was not kept')");
  await perform("kept");
  await page.waitForSelector(".config .hint:not(:has-text('was not kept'))");

  // The redirect account: a test changes nothing at the service; without an account the page shows a warning.
  await go(page, "#/settings/instance", "[data-test=yealink]");
  await page.click("[data-test=yealink]");
  await page.waitForSelector("[data-group='redirect.yealink'] .test .outcome.good");
  assert.equal(await page.locator("[data-warning=yealink]").count(), 0);
  await page.fill("[name='redirect.yealink.password']", "wrong");
  assert.ok(await page.isDisabled("[data-test=yealink]"), "what is saved is tested");
  await save(page);
  await page.click("[data-test=yealink]:not(:disabled)");
  await page.waitForSelector("[data-group='redirect.yealink'] .test .outcome.bad");
  await page.click(`[data-setting="redirect.yealink.password"] [data-do=reset]`);
  await save(page);
  await page.waitForSelector("[data-warning=yealink]");
  assert.deepEqual(page.errors, []);
});
