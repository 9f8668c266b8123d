// What every scenario needs: the browser, the world on the other side of stdin and stdout, a page that is let in.

import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";

const tools = process.env.GANGWAY_BROWSER;
const { chromium } = await import(`${tools}/node_modules/playwright-core/index.mjs`);

export const given = JSON.parse(process.env.GANGWAY_GIVEN);
export const folder = `${given.url}/admin/`;
/** Longest wait for anything; what has to be within a second says so itself. */
export const PATIENCE = 20_000;
export { assert };

const waiting = new Map();
let asked = 0;
createInterface({ input: process.stdin }).on("line", (line) => {
  const { answer, value } = JSON.parse(line);
  waiting.get(answer)?.(value);
  waiting.delete(answer);
});

/** Has the other side do something. */
export function world(what, parameters = null) {
  asked += 1;
  console.log(JSON.stringify({ ask: asked, do: what, with: parameters }));
  return new Promise((resolve) => waiting.set(asked, resolve));
}

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
  // A page that a scenario hands out itself is of no network, and might not talk to this computer.
  "--disable-features=LocalNetworkAccessChecks",
];

/** Plays a scenario; ends the process with what became of it. */
export async function scenario(tell) {
  const profile = mkdtempSync(join(tmpdir(), "gangway-browser-"));
  let code = 1;
  try {
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS, env: { ...process.env, HOME: profile } });
    await tell(browser);
    await browser.close();
    code = 0;
  } catch (error) {
    console.log(error.stack ?? String(error));
  } finally {
    rmSync(profile, { recursive: true, force: true });
    process.exit(code);
  }
}

/** A fresh page; what goes wrong in it is collected in `page.wrong`. */
export async function fresh(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1600, height: 900 }, locale: "en-US", colorScheme: "light", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.wrong = [];
  page.on("pageerror", (error) => page.wrong.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/WebSocket connection|ERR_CONNECTION_REFUSED/.test(message.text())) page.wrong.push(message.text());
  });
  return page;
}

/** Types the password and comes in. */
export async function enter(page, route = "") {
  await page.goto(folder + route);
  await page.fill("#password", given.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#workspace:not([hidden])");
  return page;
}

/** A fresh page that is let in, with rows on it. */
export async function inside(browser, options = {}, route = "") {
  const page = await enter(await fresh(browser, options), route);
  await page.waitForSelector(".grid .row[data-mac]");
  return page;
}

/** Waits until `look()` in the page gives something true. */
export const until = (page, look, argument, timeout = PATIENCE) => page.waitForFunction(look, argument, { timeout });

/** What an audit finds seriously wrong. */
export async function audit(page) {
  await page.evaluate(readFileSync(`${tools}/node_modules/axe-core/axe.min.js`, "utf8"));
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} (${node.failureSummary?.split("\n")[1]?.trim()})`).join(" | ")}`);
}
