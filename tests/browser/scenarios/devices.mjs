// The list of phones: columns, search in every spelling, filters and sorting, and all of it by keyboard.

import { assert, given, openList, scenario, until } from "./browser.mjs";

const found = (page, pattern) =>
  until(page, (text) => new RegExp(text).test(document.querySelector(".found").textContent) && !document.querySelector(".grid .row.coming"), pattern);
const shown = (page) => page.$$eval(".grid .row[data-mac]", (rows) => rows.map((row) => row.dataset.mac));

await scenario(async (browser) => {
  const page = await openList(browser);
  assert.deepEqual(await page.$$eval("#head .tabs a", (tabs) => tabs.map((tab) => tab.textContent)), ["Devices", "RPS history"]);
  const heads = await page.$$eval("[role=columnheader]", (cells) => cells.map((cell) => cell.textContent.trim()));
  for (const name of ["Device Config", "Phone Requests", "Last Config Request", "Redirect", "PBX flags", "Registered", "User", "MAC", "Model", "Firmware", "Address", "Category"]) {
    assert.ok(heads.includes(name), `${name}: ${heads}`);
  }
  await found(page, `^\\s*${given.phones} phones`);
  const words = await page.$$eval(".grid .row", (rows) => rows.map((row) => row.textContent).join(" "));
  assert.match(words, /Config Received/);
  assert.match(words, /Provisioned/);

  // Search in any spelling and letter case, with several words.
  const colons = given.mac.match(/../g).join(":").toUpperCase();
  for (const typed of [given.mac, colons, colons.replaceAll(":", "-"), given.mac.slice(4), "USER.00077", "user.00077 80:5e"]) {
    await page.fill("input[name=search]", typed);
    await found(page, "^\\s*1 of");
    assert.deepEqual(await shown(page), [given.mac], typed);
  }
  assert.match(page.url(), /search=/);
  await page.fill("input[name=search]", "nobody at all");
  await page.waitForSelector("text=No phone matches");
  await page.click(".reset");
  await found(page, `^\\s*${given.phones} phones`);

  // Filters.
  await page.selectOption("select[name=vendor]", "snom");
  await until(page, () => [...document.querySelectorAll(".row[data-mac] .col-model")].every((cell) => cell.textContent.includes("snom")));
  await page.selectOption("select[name=vendor]", "");
  await page.check("input[name=stuck]");
  await until(page, () => document.querySelectorAll(".row[data-mac]").length > 0 && [...document.querySelectorAll(".row[data-mac]")].every((row) => row.classList.contains("is-stuck")));
  await page.reload();
  await page.fill("#password", given.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".grid .row.is-stuck");
  assert.equal(await page.isChecked("input[name=stuck]"), true, "the filter stands in the address");
  await page.uncheck("input[name=stuck]");
  await page.check("input[name=overdue]");
  await page.waitForSelector("text=No phone matches");
  await page.uncheck("input[name=overdue]");
  await page.click(".more-filters summary");
  await page.selectOption("select[name=redirect]", "foreign-owner");
  await until(page, () => document.querySelectorAll(".row[data-mac]").length > 0 && [...document.querySelectorAll(".row[data-mac] .col-redirect")].every((cell) => /another account/.test(cell.textContent)));
  await page.click(".reset");
  await found(page, `^\\s*${given.phones} phones`);
  // The counts of the overview filter the list.
  await page.click(".stage-chip.stuck");
  await until(page, () => [...document.querySelectorAll(".row[data-mac]")].every((row) => row.classList.contains("is-stuck")));
  await page.click(".stage-chip.stuck");
  await found(page, `^\\s*${given.phones} phones`);

  // Sorting in both directions, also announced to screen readers.
  await page.click("[role=columnheader].col-mac button");
  await until(page, () => document.querySelector("[role=columnheader].col-mac").getAttribute("aria-sort") === "ascending");
  await until(page, (first) => document.querySelector("#row-0")?.dataset.mac === first, "805ec0000000");
  await page.click("[role=columnheader].col-mac button");
  await until(page, (last) => document.querySelector("#row-0")?.dataset.mac === last, "805ec0000077");

  // By state: phones that need the administrator come first, or last in ascending order.
  await page.click("[role=columnheader].col-state button");
  await until(page, () => document.querySelector("[role=columnheader].col-state").getAttribute("aria-sort") === "descending");
  await until(page, () => document.querySelector("#row-0[data-mac].is-stuck"));
  const stages = (page) => page.$$eval(".grid .row[data-mac]", (rows) => rows.sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map((row) => [...row.classList].find((name) => name.startsWith("is-"))));
  const worst = await stages(page);
  const stuck = worst.lastIndexOf("is-stuck");
  assert.ok(stuck > 1 && stuck < worst.length - 1 && worst.slice(0, stuck).every((stage) => stage === "is-stuck"), worst.join());
  await page.click("[role=columnheader].col-state button");
  await until(page, () => document.querySelector("[role=columnheader].col-state").getAttribute("aria-sort") === "ascending");
  await until(page, () => document.querySelector("#row-0[data-mac]:not(.is-stuck)"));
  assert.ok(!(await stages(page)).slice(0, 10).includes("is-stuck"));
  await page.click("[role=columnheader].col-mac button");
  await page.click("[role=columnheader].col-mac button");
  await until(page, (last) => document.querySelector("#row-0")?.dataset.mac === last, "805ec0000077");

  // By keyboard only: to the list, down, to the end, open a phone, and back to the same position.
  await page.focus("input[name=search]");
  for (let i = 0; i < 40 && !(await page.evaluate(() => document.activeElement.classList.contains("grid"))); i += 1) await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.classList.contains("grid")), true);
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("End");
  await until(page, (last) => document.querySelector(`#row-${last}[data-mac].cursor`), given.phones - 1);
  const active = await page.getAttribute(".grid", "aria-activedescendant");
  assert.equal(active, `row-${given.phones - 1}`);
  const mac = await page.getAttribute(`#${active}`, "data-mac");
  await page.keyboard.press("Enter");
  await until(page, (mac) => location.hash === `#/devices/${mac}`, mac);
  await page.goBack();
  await page.waitForSelector(`#${active}`);
  // The menu by keyboard.
  await page.focus(".menu > button");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#menu a:focus");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#menu", { state: "hidden" });
  assert.deepEqual(page.errors, []);
});
