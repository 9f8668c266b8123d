// What stories of the views behind the list have in common.

import { enter, fresh } from "./browser.mjs";

/** A page that is let in, whatever it shows. */
export const open = async (browser, options = {}, route = "") => enter(await fresh(browser, { viewport: { width: 1280, height: 900 }, ...options }), route);

/** Goes to an address and waits for what it shows. */
export async function go(page, route, shown) {
  await page.evaluate((route) => (location.hash = route), route);
  await page.waitForSelector(shown);
}

/** Opens a phone's page. */
export const phone = (page, mac) => go(page, `#/devices/${mac}`, `.phone-view[data-mac="${mac}"] .sentence`);

/** Waits until the sentence on top has this cause; its text. */
export async function says(page, cause) {
  const sentence = page.locator(`.sentence[data-cause="${cause}"]`);
  await sentence.waitFor();
  return sentence.textContent();
}

/** Answers the question with yes; `fill` may complete its form. */
export async function yes(page, fill = async () => {}) {
  await page.waitForSelector("dialog[open]");
  await fill();
  await page.click("dialog button[type=submit]");
  await page.waitForSelector("dialog", { state: "detached" });
}

/** Presses a button of the phone's page and confirms. */
export async function press(page, action, fill) {
  await page.click(`[data-act="${action}"]`);
  await yes(page, fill);
}
