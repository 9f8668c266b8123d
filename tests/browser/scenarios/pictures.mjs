// The pictures of the documentation: the main views, light and dark, wide and narrow.

import { execFileSync } from "node:child_process";
import { newPage, given, folder, openList, scenario } from "./browser.mjs";

const take = async (page, name) => {
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: `${given.folder}/${name}.png` });
};
/** The selector of each view's data. */
const READY = { phone: ".sentence", config: ".phone-view table, .phone-view .error", settings: ".settings-view .setting", history: ".history-rows", import: ".import-view form", connections: ".connections-view td" };
const VIEWS = { phone: `#/devices/${given.mac}`, config: `#/devices/${given.mac}/config`, history: "#/history", settings: "#/settings", import: "#/import", connections: "#/connections" };

await scenario(async (browser) => {
  const login = await newPage(browser, { viewport: { width: 900, height: 560 } });
  await login.goto(folder);
  await login.waitForSelector("#password");
  await take(login, "login");
  for (const colorScheme of ["light", "dark"]) {
    const page = await openList(browser, { colorScheme, viewport: { width: 1600, height: 800 } }, "#/devices?sort=-stage");
    await take(page, `devices-${colorScheme}`);
    const middle = await openList(browser, { colorScheme, locale: "de-DE", viewport: { width: 1280, height: 720 } }, "#/devices?sort=-stage");
    await take(middle, `devices-de-${colorScheme}`);
    const narrow = await openList(browser, { colorScheme, viewport: { width: 400, height: 760 } }, "#/devices?sort=-stage");
    await take(narrow, `devices-narrow-${colorScheme}`);
    await page.setViewportSize({ width: 1280, height: 800 });
    for (const [name, hash] of Object.entries(VIEWS)) {
      await page.evaluate((hash) => (location.hash = hash), hash);
      await page.waitForSelector(`.view-${name} :is(${READY[name]})`);
      await page.waitForLoadState("networkidle");
      await take(page, `${name}-${colorScheme}`);
    }
  }
  // Reduces the colours if the tool is installed, for smaller files.
  try {
    execFileSync("sh", ["-c", `command -v pngquant >/dev/null && pngquant --force --ext .png --skip-if-larger ${given.folder}/*.png`]);
  } catch {
    console.log("pngquant is not installed: the pictures stay as they are");
  }
});
