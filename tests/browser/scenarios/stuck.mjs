// For each cause of a stuck phone the page shows a sentence and a button that solves it.

import { assert, given, scenario, perform } from "./browser.mjs";
import { go, open, phone, clickAction, waitForCause } from "./views.mjs";

const remedy = (page) => page.locator(".sentence [data-act]").getAttribute("data-act");

/** Waits for the categories, which are known once Devices is connected. */
async function newCode(page) {
  for (;;) {
    await page.click(".sentence [data-act=new-code]");
    await page.waitForSelector("dialog[open]");
    if ((await page.locator("dialog option").count()) > 1) break;
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
  }
  await page.selectOption("dialog select[name=category]", { index: 1 });
  await page.click("dialog button[type=submit]");
}

await scenario(async (browser) => {
  const page = await open(browser);
  const { waits, foreign: taken, late, lonely, works, bare } = given;

  // 1: redirected, but the phone has not sent a request.
  await perform("provision", { mac: waits, user: "user1" });
  await phone(page, waits);
  assert.match(await waitForCause(page, "redirected-not-asked"), /Reset the phone to factory settings/);
  assert.equal(await remedy(page), "redirect-again");

  // 2: another account owns the phone; after its release there, a click redirects it.
  await perform("foreign", { mac: taken, user: "user2" });
  await phone(page, taken);
  assert.match(await waitForCause(page, "redirect-foreign-owner"), /Another account/);
  await perform("released elsewhere", { mac: taken });
  await clickAction(page, "redirect-again");
  await waitForCause(page, "redirected-not-asked");
  await page.waitForSelector(".entry.person:has-text('Redirect again')");
  await page.waitForSelector(".entry.redirect:has-text('REDIRECT DEVICE') details");

  // 3: the code had expired; a new one adds the phone to the domain.
  await perform("late", { mac: late, user: "user3" });
  await phone(page, late);
  assert.match(await waitForCause(page, "code-refused"), /Devices did not accept the provisioning code/);
  await newCode(page);
  await page.waitForSelector("[data-facet=deviceConfig] [data-state=received]");

  // 4: no user object has this device; the sentence names what to add and where.
  await perform("lonely", { mac: lonely, user: "user4" });
  await phone(page, lonely);
  assert.match(await waitForCause(page, "device-not-found"), new RegExp(lonely));
  assert.equal(await page.locator(".sentence [data-act]").count(), 0);

  // 5 and 6: the phone was reset; a click admits it again.
  await perform("install", { mac: works, user: "user5" });
  await phone(page, works);
  await waitForCause(page, "working");
  await perform("reset", { mac: works });
  assert.match(await waitForCause(page, "window-closed"), /127\./);
  await clickAction(page, "allow");
  await waitForCause(page, "allowed-not-asked");
  await perform("comes", { mac: works });
  await waitForCause(page, "working");

  // 7: removed in Devices; a new code adds it again.
  await perform("forgotten", { mac: works });
  assert.match(await waitForCause(page, "removed-in-devices"), /somebody has removed it/);
  await newCode(page);
  await waitForCause(page, "working");

  // 8 to 10: actions of the administrator and their reversal. Nothing happens before the confirmation.
  await page.click("[data-act=block]");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await waitForCause(page, "working");
  await clickAction(page, "block");
  await waitForCause(page, "blocked");
  await clickAction(page, "activate");
  await page.waitForSelector(".sentence:not([data-cause=blocked])");
  await clickAction(page, "release");
  await waitForCause(page, "releasing");
  await perform("polls", { mac: works });
  await waitForCause(page, "released");
  assert.equal(await remedy(page), "activate");

  // The timeline merges all sources and shows the selected ones.
  const sources = await page.locator(".sources button").evaluateAll((all) => all.map((one) => one.dataset.source));
  for (const source of ["provisioning", "devices", "redirect", "request", "pbx", "person"]) assert.ok(sources.includes(source), source);
  for (const source of sources.filter((one) => one !== "person")) await page.click(`[data-source="${source}"]`);
  const left = await page.locator(".entry").evaluateAll((all) => all.map((one) => one.className));
  assert.ok(left.length > 3 && left.every((one) => one.includes("person")), left.join());

  // In German: every sentence except the answers of services and the entries of an older gateway.
  await perform("written long ago", { mac: works });
  const german = await open(browser, { locale: "de-DE" });
  await phone(german, works);
  await german.waitForSelector(".entry:has-text('Written long ago.')");
  for (const sentence of ["Provisionierung angefordert für user5.", "Devices hat den Code angenommen", "Der Redirect-Dienst schickt das Telefon zu uns.",
    "Konfiguration ausgeliefert an 127.0.0.1", "Gesperrt, durch Admin", "Gewünscht: Gesperrt.", "Devices kennt dieses Telefon nicht mehr"]) {
    await german.locator(".entry p:not([lang])", { hasText: sentence }).first().waitFor();
  }
  const foreign = await german.$$eval(".entry:not(.redirect) p[lang=en]", (all) => all.map((one) => one.textContent.trim()));
  assert.deepEqual(foreign, ["Written long ago."]);
  await page.locator(".entry p:not([lang])", { hasText: "Block, by Admin" }).first().waitFor();
  await german.context().close();

  // 11: no redirect account; the button opens its settings, which show a warning.
  await perform("no account", { mac: bare, user: "user6" });
  await phone(page, bare);
  await waitForCause(page, "redirect-not-configured");
  await page.click(".sentence [data-act=open-settings]");
  await page.waitForSelector(".settings-view [data-warning=yealink]");

  // Removed without an account that could delete the redirect entry: page and timeline name the manual steps.
  await phone(page, waits);
  await clickAction(page, "remove");
  assert.match(await waitForCause(page, "removed-with-leftovers"), /redirect/);
  await page.waitForSelector(".entry:has-text('something is left to do by hand: the entry at the redirect service')");

  // 12: removed; no action is left.
  await phone(page, works);
  await clickAction(page, "remove");
  await waitForCause(page, "removed");
  assert.equal(await page.locator(".actions button").count(), 0);
  await go(page, "#/devices/805ec0ffffff", ".phone-view .error");
  assert.deepEqual(page.errors, []);
});
