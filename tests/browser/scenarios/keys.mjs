// Line keys: rows are added, filled in, moved and removed by keyboard only. The gateway's faults are shown next to their rows.

import { assert, audit, given, scenario, until } from "./browser.mjs";
import { go, open } from "./views.mjs";

const TABLE = "[data-keys=line_keys]";
const ROUTE = `#/settings/${encodeURIComponent("model:yealink/T31P")}`;
const cell = (row, column) => `${TABLE} [data-row="${row}"] [data-column=${column}]`;
const focused = (page) =>
  page.evaluate(() => {
    const { activeElement: at } = document;
    return [at.closest("[data-row]")?.dataset.row, at.dataset.column ?? at.dataset.do].join(" ");
  });
const kept = (page) => page.$$eval(`${TABLE} tr[data-row]`, (rows) => rows.map((row) => [...row.querySelectorAll("[data-column]")].map((one) => one.value)));

async function typed(page, row, values) {
  for (const [column, text] of values) {
    await page.focus(cell(row, column));
    await page.keyboard.press("ControlOrMeta+A");
    if (text) await page.keyboard.type(text);
    else await page.keyboard.press("Delete");
    await page.keyboard.press("Tab");
  }
}

await scenario(async (browser) => {
  const page = await open(browser, {}, ROUTE);
  await page.waitForSelector(`${TABLE} [data-do=add]`);
  await page.waitForSelector(`${TABLE} .hint:has-text("T31P has this many line keys: 2.")`);

  // Tab moves from the button to the cells of the new row.
  await page.focus(`${TABLE} [data-do=add]`);
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "0 type");
  await page.keyboard.type("Busy");
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "0 value");
  // The gateway reports the missing value of this row.
  await page.waitForSelector(`${TABLE} [data-row="0"].wrong + .fault:has-text("needs a value")`);
  assert.equal(await page.getAttribute(cell(0, "value"), "aria-invalid"), "true");
  await page.keyboard.type("1002");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Bob");
  await page.keyboard.press("Tab");
  await page.waitForSelector(`${TABLE} .fault`, { state: "detached" });

  // A key that the model lacks is reported at its row and not saved.
  await page.focus(`${TABLE} [data-do=add]`);
  await page.keyboard.press("Enter");
  await page.focus(`${TABLE} [data-do=add]`);
  await page.keyboard.press("Enter");
  await page.waitForSelector(`${TABLE} [data-row="2"].wrong + .fault:has-text("T31P has 2 line keys")`);
  await page.focus(".save button[type=submit]");
  await page.keyboard.press("Enter");
  assert.equal(await page.locator(".save .outcome.good").count(), 0);
  assert.equal(await page.evaluate(() => document.activeElement.dataset.keys), "line_keys");
  assert.deepEqual(await audit(page), []);

  // After a removal the focus moves to a neighbouring button.
  await page.focus(`${TABLE} [data-row="2"] [data-do=remove]`);
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "1 remove");
  await page.waitForSelector(`${TABLE} .fault`, { state: "detached" });
  // Moved rows swap their key numbers, and the focus follows the row.
  await page.focus(`${TABLE} [data-row="1"] [data-do=up]`);
  await page.keyboard.press("Enter");
  assert.equal(await focused(page), "0 down");
  assert.deepEqual((await kept(page)).map(([key, type, value, label]) => [key, type, value, label]), [["1", "line", "", ""], ["2", "blf", "1002", "Bob"]]);

  await page.focus(".save button[type=submit]");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".save .outcome");
  assert.match(await page.getAttribute(".save .outcome", "class"), /good/, await page.textContent("[data-setting=line_keys]"));
  await page.reload();
  await page.waitForSelector("#password");
  await page.fill("#password", given.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector(cell(1, "label"));
  assert.deepEqual((await kept(page)).map((row) => row.slice(0, 4)), [["1", "line", "", ""], ["2", "blf", "1002", "Bob"]]);

  // Duplicate key numbers are reported; numbers need not be in order.
  await typed(page, 0, [["key", "2"]]);
  await page.waitForSelector(`${TABLE} [data-row="1"].wrong + .fault:has-text("already")`);
  await page.click("[data-setting=line_keys] [data-do=undo]");
  await page.waitForSelector(`${TABLE} .fault`, { state: "detached" });

  // A narrower layer shows the inherited list, and a change creates its own list.
  await go(page, "#/settings/vendor%3Ayealink", `${TABLE} [data-do=add]`);
  await page.waitForSelector(`${TABLE} .hint:has-text("the largest model of Yealink")`);

  // A narrow, dark page in German.
  const narrow = await open(browser, { viewport: { width: 400, height: 800 }, colorScheme: "dark", locale: "de-DE" }, ROUTE);
  await narrow.waitForSelector(cell(1, "label"));
  assert.ok((await narrow.evaluate(() => document.documentElement.scrollWidth)) <= 400);
  assert.deepEqual(await audit(narrow), []);
  await until(narrow, (selector) => document.querySelector(selector).selectedOptions[0].textContent === "Besetztlampe", cell(1, "type"));
  assert.deepEqual([...page.errors, ...narrow.errors], []);
});
