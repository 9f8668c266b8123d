// Helpers for scenarios of the other views.

import { logIn, newPage } from "./browser.mjs";

/** Opens a page and logs in. */
export const open = async (browser, options = {}, route = "") => logIn(await newPage(browser, { viewport: { width: 1280, height: 900 }, ...options }), route);

/** Opens an address and waits for its view. */
export async function go(page, route, shown) {
  await page.evaluate((route) => (location.hash = route), route);
  await page.waitForSelector(shown);
}

/** Opens the view of a phone. */
export const phone = (page, mac) => go(page, `#/devices/${mac}`, `.phone-view[data-mac="${mac}"] .sentence`);

/** Waits until the diagnosis has this cause; returns its text. */
export async function waitForCause(page, cause) {
  const sentence = page.locator(`.sentence[data-cause="${cause}"]`);
  await sentence.waitFor();
  return sentence.textContent();
}

/** Confirms the dialog; `fill` may fill in its form first. */
export async function confirmDialog(page, fill = async () => {}) {
  await page.waitForSelector("dialog[open]");
  await fill();
  await page.click("dialog button[type=submit]");
  await page.waitForSelector("dialog", { state: "detached" });
}

/** Clicks a button of the phone's view and confirms. */
export async function clickAction(page, action, fill) {
  await page.click(`[data-act="${action}"]`);
  await confirmDialog(page, fill);
}
