// The history of redirect calls: filters, live updates, export, pruning. Answers of services are shown as text.

import { readFileSync } from "node:fs";
import { assert, given, scenario, until, perform } from "./browser.mjs";
import { open, confirmDialog } from "./views.mjs";

const rows = (page) => page.locator(".history-rows tbody tr");

/** Waits until exactly one row with this text is left. */
const only = (page, text) =>
  until(page, (text) => {
    const left = document.querySelectorAll(".history-rows tbody tr");
    return left.length === 1 && left[0].textContent.includes(text);
  }, text);

await scenario(async (browser) => {
  const page = await open(browser, { acceptDownloads: true }, "#/history");
  await rows(page).nth(99).waitFor();
  assert.equal(await rows(page).count(), 100, "one page of it");
  await page.click(".more");
  await rows(page).nth(149).waitFor();

  await page.fill("[name=mac]", "80-5E-C0");
  await page.waitForSelector("label.wrong [name=mac]");
  await page.fill("[name=mac]", given.mac.toUpperCase());
  await only(page, "number 3 ");
  await rows(page).locator("summary").click();
  assert.ok((await rows(page).textContent()).includes(given.hostile), "the answer letter by letter");
  assert.equal(await page.locator("#page img, #page script").count(), 0);
  await page.fill("[name=mac]", "");
  await page.fill("[name=command]", "check device");
  await page.fill("[name=search]", "NUMBER 7 ");
  await only(page, "number 7 ");

  // The export applies the filters.
  const [saved] = await Promise.all([page.waitForEvent("download"), page.click("[data-do=export]")]);
  const text = readFileSync(await saved.path(), "utf8");
  assert.equal(saved.suggestedFilename(), "rps-history.csv");
  assert.match(text, /^\ufefftime,mac,vendor,command,outcome,took_ms,answer/);
  assert.equal(text.trim().split("\r\n").length, 2);
  await page.fill("[name=command]", "");
  await page.fill("[name=search]", "");
  await rows(page).nth(99).waitFor();
  // A long file arrives complete, in parts.
  const [long] = await Promise.all([page.waitForEvent("download"), page.click("[data-do=export]")]);
  const whole = readFileSync(await long.path(), "utf8");
  assert.ok(whole.length > 200_000, `${whole.length}`);
  for (const number of [0, 75, 149]) assert.ok(whole.includes(`number ${number} `), `${number}`);
  assert.ok(whole.includes("'=HYPERLINK"), "a formula stays a text");

  // New rows appear without a reload.
  await perform("call");
  await rows(page).first().locator("text=the newest").waitFor();

  await page.click("[data-do=prune]");
  await confirmDialog(page, () => page.fill("dialog [name=days]", "30"));
  await page.waitForSelector("#toasts p:has-text('150')");
  await until(page, () => document.querySelectorAll(".history-rows tbody tr").length < 100);

  // The activity charts have text alternatives.
  assert.equal(await page.locator(".charts svg[role=img]").count(), 3);
  await page.click(".activity .choice button:last-child");
  await page.waitForSelector(".charts rect:nth-of-type(30)", { state: "attached" });
  assert.deepEqual(page.errors, []);
});
