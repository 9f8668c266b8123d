// All other views: hostile names, both schemes and languages, a width of 400 pixels, the keyboard, and an accessibility audit.

import { assert, audit, given, scenario } from "./browser.mjs";
import { go, open, phone } from "./views.mjs";

const { mac, hostile } = given;
const VIEWS = {
  phone: [`#/devices/${mac}`, ".timeline"],
  config: [`#/devices/${mac}/config`, ".config .choice"],
  history: ["#/history", ".history-rows"],
  settings: ["#/settings", "[data-setting=language]"],
  "settings of a phone": [`#/settings/phone:${mac}`, "[data-setting=language]"],
  import: ["#/import", ".one"],
  connections: ["#/connections", ".connections-view td"],
};

await scenario(async (browser) => {
  const findings = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const locale of ["en-US", "de-DE"]) {
      const page = await open(browser, { colorScheme, locale, viewport: { width: locale === "de-DE" ? 400 : 1280, height: 800 } });
      for (const [name, [route, shown]] of Object.entries(VIEWS)) {
        await go(page, route, shown);
        const [wide, inner, room] = await page.evaluate(() => {
          const content = document.getElementById("content");
          return [document.documentElement.scrollWidth - innerWidth, content.scrollWidth, content.clientWidth];
        });
        assert.ok(wide <= 0 && inner <= room, `${locale} ${name}: ${wide} ${inner} ${room}`);
        // Every key has a text.
        const text = await page.evaluate(() => document.getElementById("content").innerText);
        assert.doesNotMatch(text, /\b(view|phone|act|timeline|event|config|history|chart|connections|scope|settings|import|help|cause)\.[a-z-]+/, name);
        findings.push(...(await audit(page)).map((finding) => `${colorScheme} ${locale} ${name}: ${finding}`));
        assert.equal(await page.evaluate(() => window.hacked), undefined, name);
        assert.equal(await page.locator("#content script, #content img").count(), 0, name);
      }
      assert.deepEqual(page.errors, []);
    }
  }
  assert.deepEqual([...new Set(findings)], []);

  // Names are shown as text in every view.
  const page = await open(browser);
  await phone(page, mac);
  for (const place of ["h1", ".who p", "[data-facet=redirect]", "[data-facet=deviceConfig]"]) {
    assert.ok((await page.textContent(`.phone-view ${place}`)).includes(hostile), place);
  }
  await page.click("#tab-facts");
  assert.ok((await page.textContent(".accounts")).includes(hostile));
  await go(page, `#/settings/${encodeURIComponent(`category:${hostile}`)}`, "[data-setting=language]");
  assert.ok((await page.textContent(".settings-view h1")).includes(hostile));
  await go(page, `#/devices/${encodeURIComponent(hostile)}`, ".phone-view .error");
  assert.equal(await page.evaluate(() => window.hacked), undefined);

  // By keyboard only: arrow keys move between tabs, and Escape closes a dialog and restores the focus.
  await phone(page, mac);
  await page.focus("#tab-timeline");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-config");
  assert.equal(await page.getAttribute("#tab-config", "aria-selected"), "true");
  await page.focus("[data-act=remove]");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  assert.ok(await page.evaluate(() => document.activeElement.closest("dialog") !== null));
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  assert.equal(await page.evaluate(() => document.activeElement.dataset.act), "remove");
});
