// Ten thousand rows: only visible rows are in the document, and scrolling shows the right ones.

import { assert, given, openList, scenario, until } from "./browser.mjs";

await scenario(async (browser) => {
  const page = await openList(browser, {}, "#/devices?sort=mac");
  await until(page, (all) => document.querySelector(".grid").getAttribute("aria-rowcount") === String(all + 1), given.phones);
  const mac = (number) => `805ec0${number.toString(16).padStart(6, "0")}`;
  for (const index of [9_999, 5_000, 123, 7_777, 0]) {
    await page.$eval(".grid", (grid, place) => (grid.scrollTop = place * parseFloat(getComputedStyle(grid).getPropertyValue("--row"))), index);
    await until(page, ([at, mac]) => document.querySelector(`#row-${at}`)?.dataset.mac === mac, [index, mac(index)]);
    const drawn = await page.$$eval(".grid .row", (rows) => rows.length);
    assert.ok(drawn < 120, `${drawn} rows are in the document`);
  }
  // After scrolling over the whole list, every visible row is loaded.
  await page.evaluate(async () => {
    const grid = document.querySelector(".grid");
    for (let top = 0; top < grid.scrollHeight; top += 4_000) {
      grid.scrollTop = top;
      await new Promise(requestAnimationFrame);
    }
    grid.scrollTop = grid.scrollHeight;
  });
  await until(page, ([at, mac]) => document.querySelector(`#row-${at}`)?.dataset.mac === mac && !document.querySelector(".row.coming"), [9_999, mac(9_999)]);
  assert.deepEqual(page.errors, []);
});
