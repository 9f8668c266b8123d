// Measures the time from the login to the first rows with an empty cache, and the transferred bytes.

import { newPage, folder, given, scenario, perform } from "../../tests/browser/scenarios/browser.mjs";

const ROUNDS = 15;

await scenario(async (browser) => {
  const took = [];
  let bytes = 0;
  for (let round = 0; round <= ROUNDS; round += 1) {
    const page = await newPage(browser);
    const line = await page.context().newCDPSession(page);
    await line.send("Network.enable");
    bytes = 0;
    line.on("Network.loadingFinished", ({ encodedDataLength }) => (bytes += encodedDataLength));
    await page.goto(folder);
    await page.fill("#password", given.password);
    const time = await page.evaluate(() => {
      const begun = performance.now();
      return new Promise((resolve) => {
        const look = () => {
          // Waits for a frame with the rows, so that they are painted.
          if (document.querySelector(".grid .row[data-mac]")) requestAnimationFrame(() => resolve(performance.now() - begun));
          else requestAnimationFrame(look);
        };
        document.querySelector(".login button").click();
        look();
      });
    });
    // The first round is a warm-up.
    if (round > 0) took.push(time);
    await page.waitForLoadState("networkidle");
    await page.context().close();
  }
  took.sort((a, b) => a - b);
  await perform("measured", {
    rounds: ROUNDS,
    median: Math.round(took[took.length >> 1]),
    slowest: Math.round(took.at(-1)),
    kib: Math.round(bytes / 102.4) / 10,
  });
});
