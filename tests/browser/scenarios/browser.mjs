// Helpers for all scenarios: the browser, requests to the test process over stdin and stdout, and a logged-in page.

import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import assert from "node:assert/strict";

const tools = process.env.GANGWAY_BROWSER;
const { chromium } = await import(`${tools}/node_modules/playwright-core/index.mjs`);

export const given = JSON.parse(process.env.GANGWAY_GIVEN);
export const folder = `${given.url}/admin/`;
/** Default timeout. Scenarios pass a shorter one where a second is required. */
export const TIMEOUT = 20_000;
export { assert };

const waiting = new Map();
let lastId = 0;
createInterface({ input: process.stdin }).on("line", (line) => {
  const { answer, value } = JSON.parse(line);
  waiting.get(answer)?.(value);
  waiting.delete(answer);
});

/** Requests an action from the test process. */
export function perform(what, parameters = null) {
  lastId += 1;
  console.log(JSON.stringify({ ask: lastId, do: what, with: parameters }));
  return new Promise((resolve) => waiting.set(lastId, resolve));
}

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
  // Pages that a scenario serves itself belong to no network; Chromium would block their connections to this computer.
  "--disable-features=LocalNetworkAccessChecks",
];

/** Runs a scenario and exits with its result. */
export async function scenario(steps) {
  const profile = mkdtempSync(join(tmpdir(), "gangway-browser-"));
  let code = 1;
  try {
    const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
    const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS, env: { ...process.env, HOME: profile } });
    await steps(browser);
    await browser.close();
    code = 0;
  } catch (error) {
    console.log(error.stack ?? String(error));
  } finally {
    rmSync(profile, { recursive: true, force: true });
    process.exit(code);
  }
}

/** Opens a new page that collects its errors in `page.errors`. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1600, height: 900 }, locale: "en-US", colorScheme: "light", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" && !/WebSocket connection|ERR_CONNECTION_REFUSED/.test(message.text())) page.errors.push(message.text());
  });
  return page;
}

/** Logs in with the password. */
export async function logIn(page, route = "") {
  await page.goto(folder + route);
  await page.fill("#password", given.password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("#workspace:not([hidden])");
  return page;
}

/** Opens a new page, logs in and waits for rows. */
export async function openList(browser, options = {}, route = "") {
  const page = await logIn(await newPage(browser, options), route);
  await page.waitForSelector(".grid .row[data-mac]");
  return page;
}

/** Waits until `look()` is truthy in the page. */
export const until = (page, look, argument, timeout = TIMEOUT) => page.waitForFunction(look, argument, { timeout });

/** Returns the serious findings of an accessibility audit. */
export async function audit(page) {
  await page.evaluate(readFileSync(`${tools}/node_modules/axe-core/axe.min.js`, "utf8"));
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} (${node.failureSummary?.split("\n")[1]?.trim()})`).join(" | ")}`);
}
