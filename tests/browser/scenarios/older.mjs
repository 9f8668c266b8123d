// A page of an older build detects the new build at its login and reloads once.

import { assert, folder, newPage, given, scenario, until } from "./browser.mjs";

const OLD = "0123456789abcdef";

await scenario(async (browser) => {
  const page = await newPage(browser);
  let loads = 0;
  // The old build's files: the current ones under the old build's name.
  await page.route(folder, async (route) => {
    loads += 1;
    const answer = await route.fetch();
    const body = await answer.text();
    const build = body.match(/"([0-9a-f]{16})\/main\.js"/)[1];
    await page.route(`${folder}${OLD}/**`, async (old) => old.fulfill({ response: await old.fetch({ url: old.request().url().replace(OLD, build) }) }));
    await route.fulfill({ response: answer, body: loads === 1 ? body.replaceAll(build, OLD) : body });
  });
  await page.goto(folder);
  await page.waitForSelector("#password");
  assert.ok(await page.evaluate((old) => document.querySelector("script[type=module]").src.includes(old), OLD));
  await page.fill("#password", given.password);
  await page.keyboard.press("Enter");
  await until(page, (old) => !document.querySelector("script[type=module]").src.includes(old), OLD);
  await page.fill("#password", given.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#workspace:not([hidden])");
  assert.equal(loads, 2);
});
