// A change or a new phone is visible within a second and redraws its own row only. The page reports a lost connection and
// reconnects.

import { assert, given, openList, scenario, until, perform } from "./browser.mjs";

const SECOND = 1_000;

await scenario(async (browser) => {
  const page = await openList(browser);
  await page.evaluate(() => {
    window.touched = new Set();
    new MutationObserver((changes) => {
      for (const { target } of changes) {
        const element = target.nodeType === Node.ELEMENT_NODE ? target : target.parentElement;
        const row = element?.closest(".row");
        if (row) window.touched.add(row.dataset.mac);
      }
    }).observe(document.querySelector(".grid .rows"), { subtree: true, childList: true, characterData: true, attributes: true });
  });
  await perform("firmware", { mac: given.mac, firmware: "108.86.0.99" });
  await until(page, (mac) => document.querySelector(`[data-mac="${mac}"] .col-firmware`)?.textContent.includes("108.86.0.99"), given.mac, SECOND);
  assert.deepEqual(await page.evaluate(() => [...window.touched]), [given.mac]);

  // A setting wants another firmware: the list shows it next to the reported one, and the search finds it.
  await page.evaluate(() => window.touched.clear());
  await perform("wanted", { mac: given.mac, firmware: "108.87.0.5" });
  await until(page, (mac) => document.querySelector(`[data-mac="${mac}"] .col-firmware .bad`)?.textContent === "108.86.0.99 / 108.87.0.5", given.mac, SECOND);
  assert.deepEqual(await page.evaluate(() => [...window.touched]), [given.mac]);
  await page.fill("input[name=search]", "108.87.0");
  await until(page, (mac) => [...document.querySelectorAll(".row[data-mac]")].map((row) => row.dataset.mac).join() === mac, given.mac);
  await page.fill("input[name=search]", "");
  await until(page, () => document.querySelectorAll(".row[data-mac]").length > 5);
  await perform("firmware", { mac: given.mac, firmware: "108.87.0.5" });
  await until(page, (mac) => document.querySelector(`[data-mac="${mac}"] .col-firmware .good`)?.textContent === "108.87.0.5 / 108.87.0.5", given.mac, SECOND);

  await perform("enter");
  await until(page, (mac) => document.querySelector("#row-0")?.dataset.mac === mac, given.new, SECOND);
  await until(page, () => /^\s*41 phones/.test(document.querySelector(".found").textContent));

  // While the gateway is down, the page shows since when, and keeps its data.
  await perform("stop");
  await page.waitForSelector("#notices [role=alert]");
  assert.match(await page.textContent("#notices [role=alert]"), /No connection to the gateway since .*\d/);
  assert.ok(await page.isVisible(`[data-mac="${given.mac}"]`));
  await perform("start");
  await page.waitForSelector("#notices [role=alert]", { state: "detached" });
  // The list is updated again.
  await perform("firmware", { mac: given.mac, firmware: "108.86.0.100" });
  await until(page, (mac) => document.querySelector(`[data-mac="${mac}"] .col-firmware`)?.textContent.includes("108.86.0.100"), given.mac);
  assert.deepEqual(page.errors, []);
});
