// Both schemes, both languages and a narrow frame, each with an accessibility audit.

import { assert, audit, newPage, folder, openList, scenario } from "./browser.mjs";

await scenario(async (browser) => {
  const findings = [];
  for (const colorScheme of ["light", "dark"]) {
    for (const [locale, tab, empty] of [["de-DE", "Geräte", "Suche"], ["en-US", "Devices", "Search"]]) {
      const page = await openList(browser, { colorScheme, locale });
      assert.equal(await page.textContent("#head .tabs a"), tab);
      assert.equal(await page.textContent(".search-box span"), empty);
      const background = await page.evaluate(() => getComputedStyle(document.querySelector(".grid")).backgroundColor);
      const [red] = background.match(/\d+/g).map(Number);
      assert.equal(red < 128, colorScheme === "dark", background);
      // Every key has a text.
      assert.doesNotMatch(await page.evaluate(() => document.body.innerText), /\b(page|cause|state)\.[a-z-]+\.[a-z-]+/);
      findings.push(...(await audit(page)).map((finding) => `${colorScheme} devices: ${finding}`));
      await page.click(".menu > button");
      findings.push(...(await audit(page)).map((finding) => `${colorScheme} menu: ${finding}`));
      await page.evaluate(() => (location.hash = "#/about"));
      await page.waitForSelector(".view-about dd");
      findings.push(...(await audit(page)).map((finding) => `${colorScheme} about: ${finding}`));
      assert.deepEqual(page.errors, []);
    }
    const login = await newPage(browser, { colorScheme });
    await login.goto(folder);
    await login.waitForSelector("#password");
    findings.push(...(await audit(login)).map((finding) => `${colorScheme} login: ${finding}`));
    for (const width of [400, 1280]) {
      const page = await openList(browser, { colorScheme, viewport: { width, height: 760 } });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= width, `${width}: the page is ${wide} wide`);
      const row = page.locator(".grid .row[data-mac]").first();
      for (const cell of [".col-user", ".col-state", ".col-mac", ".col-requests"]) assert.ok(await row.locator(cell).isVisible(), `${width}: ${cell}`);
      findings.push(...(await audit(page)).map((finding) => `${colorScheme} ${width}: ${finding}`));
    }
  }
  assert.deepEqual([...new Set(findings)], []);

  // Style sheets and scheme are loaded before the first paint.
  const page = await newPage(browser, { colorScheme: "light" });
  await page.addInitScript(() => {
    new PerformanceObserver((list) => {
      window.painted ??= [list.getEntries()[0].name, document.styleSheets.length, document.documentElement.dataset.scheme];
    }).observe({ type: "paint", buffered: true });
  });
  await page.goto(`${folder}?scheme=dark`);
  await page.waitForSelector("#password");
  const [, sheets, scheme] = await page.waitForFunction(() => window.painted).then((painted) => painted.jsonValue());
  assert.ok(sheets >= 3 && scheme === "dark", `${sheets} ${scheme}`);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).colorScheme), "dark");
});
