// Where a phone is stuck: for each cause the page says it in one sentence, and the button beside it puts it right.

import { assert, given, scenario, world } from "./browser.mjs";
import { go, open, phone, press, says } from "./views.mjs";

const remedy = (page) => page.locator(".sentence [data-act]").getAttribute("data-act");

/** The categories come with the link to Devices, which may be a moment behind. */
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

  // 1: redirected, but it has not come.
  await world("provision", { mac: waits, user: "user1" });
  await phone(page, waits);
  assert.match(await says(page, "redirected-not-asked"), /Reset the phone to factory settings/);
  assert.equal(await remedy(page), "redirect-again");

  // 2: another account holds it; once it is released there, one click redirects it.
  await world("foreign", { mac: taken, user: "user2" });
  await phone(page, taken);
  assert.match(await says(page, "redirect-foreign-owner"), /Another account/);
  await world("released elsewhere", { mac: taken });
  await press(page, "redirect-again");
  await says(page, "redirected-not-asked");
  await page.waitForSelector(".entry.person:has-text('Redirect again')");
  await page.waitForSelector(".entry.redirect:has-text('REDIRECT DEVICE') details");

  // 3: the code had expired; a new one brings it into the domain.
  await world("late", { mac: late, user: "user3" });
  await phone(page, late);
  assert.match(await says(page, "code-refused"), /Devices did not accept the provisioning code/);
  await newCode(page);
  await page.waitForSelector("[data-facet=deviceConfig] [data-state=received]");

  // 4: nobody has this device; the sentence names what to add where.
  await world("lonely", { mac: lonely, user: "user4" });
  await phone(page, lonely);
  assert.match(await says(page, "device-not-found"), new RegExp(lonely));
  assert.equal(await page.locator(".sentence [data-act]").count(), 0);

  // 5 and 6: reset without a word to anybody; let in again by a click.
  await world("install", { mac: works, user: "user5" });
  await phone(page, works);
  await says(page, "working");
  await world("reset", { mac: works });
  assert.match(await says(page, "window-closed"), /127\./);
  await press(page, "allow");
  await says(page, "allowed-not-asked");
  await world("comes", { mac: works });
  await says(page, "working");

  // 7: removed in Devices; a new code brings it back.
  await world("forgotten", { mac: works });
  assert.match(await says(page, "removed-in-devices"), /somebody has removed it/);
  await newCode(page);
  await says(page, "working");

  // 8 to 10: what people decide, and taking it back. Nothing happens before the question is answered.
  await page.click("[data-act=block]");
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  await says(page, "working");
  await press(page, "block");
  await says(page, "blocked");
  await press(page, "activate");
  await page.waitForSelector(".sentence:not([data-cause=blocked])");
  await press(page, "release");
  await says(page, "releasing");
  await world("polls", { mac: works });
  await says(page, "released");
  assert.equal(await remedy(page), "activate");

  // The time line joins all sources and shows those that are wanted.
  const sources = await page.locator(".sources button").evaluateAll((all) => all.map((one) => one.dataset.source));
  for (const source of ["provisioning", "devices", "redirect", "request", "pbx", "person"]) assert.ok(sources.includes(source), source);
  for (const source of sources.filter((one) => one !== "person")) await page.click(`[data-source="${source}"]`);
  const left = await page.locator(".entry").evaluateAll((all) => all.map((one) => one.className));
  assert.ok(left.length > 3 && left.every((one) => one.includes("person")), left.join());

  // In German: every sentence but what a service said and what an older gateway wrote down.
  await world("written long ago", { mac: works });
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

  // 11: no redirect account; the button leads to where it is entered, and a warning stands there.
  await world("no account", { mac: bare, user: "user6" });
  await phone(page, bare);
  await says(page, "redirect-not-configured");
  await page.click(".sentence [data-act=open-settings]");
  await page.waitForSelector(".settings-view [data-warning=yealink]");

  // Removed while there is no account to undo its entry with: what is left to do by hand is said, here and in the time line.
  await phone(page, waits);
  await press(page, "remove");
  assert.match(await says(page, "removed-with-leftovers"), /redirect/);
  await page.waitForSelector(".entry:has-text('something is left to do by hand: the entry at the redirect service')");

  // 12: gone for good; nothing is left to press.
  await phone(page, works);
  await press(page, "remove");
  await says(page, "removed");
  assert.equal(await page.locator(".actions button").count(), 0);
  await go(page, "#/devices/805ec0ffffff", ".phone-view .error");
  assert.deepEqual(page.wrong, []);
});
