// Import of one phone, and of files as spreadsheets write them. Files are checked when they are pasted.

import { assert, given, scenario } from "./browser.mjs";
import { go, open, confirmDialog } from "./views.mjs";

const file = (name, text, encoding) => ({ name, mimeType: "text/csv", buffer: Buffer.from(text, encoding) });
const verdict = async (page, words) => {
  await page.waitForSelector(`[data-verdict]:has-text("${words}")`);
  return (await page.textContent(".verdict")).replace(/\s+/g, " ");
};

await scenario(async (browser) => {
  const page = await open(browser, {}, "#/import");
  const [first, second, third, fourth] = given.macs;

  // A Latin-1 file with semicolons and CR LF: valid lines, invalid lines with number, field and reason, an unknown column.
  await page.click("[data-kind=many]");
  const lines = ["MAC;User;Name;Password;Colour", `${first};user1;J\u00fcrgen <script>alert(1)</script>;secret-1;red`, `${second};user2;"Doe; Jane";secret-2;`, "12345;user4;;x;", `${third};;;x;`];
  await page.setInputFiles("input[type=file]", file("phones.csv", `${lines.join("\r\n")}\r\n`, "latin1"));
  const summary = await verdict(page, "Phones to provision: 2");
  assert.match(summary, /Wrong lines, left out: 2/);
  assert.match(summary, /4mac.*12 hex digits/);
  assert.match(summary, /5user.*is empty/);
  assert.match(summary, /ignored: Colour/);
  assert.ok((await page.inputValue("textarea[name=paste]")).includes("J\u00fcrgen"), "Latin-1 is read");
  assert.equal(await page.locator("#page script, #page img").count(), 0);
  await page.click("[data-do=start]");
  await confirmDialog(page);
  await page.waitForSelector(".progress[data-finished=true]");
  assert.match(await page.textContent(".progress"), /2 of 2: 2 provisioned, 0 unchanged, 0 failed/);

  // The same lines pasted with a byte order mark and commas change nothing. Another page shows the last import.
  const pasted = `\ufeffmac,user,name,password\n${first},user1,J\u00fcrgen <script>alert(1)</script>,secret-1\n`;
  await page.fill("textarea[name=paste]", pasted);
  assert.match(await verdict(page, "Lines that change nothing: 1"), /Phones to provision: 0/);
  assert.ok(await page.isDisabled("[data-do=start]"));
  const other = await open(browser, {}, "#/import");
  await other.waitForSelector(".progress[data-finished=true]");

  // One phone from the form: checked as soon as the required fields are filled in.
  await page.click("[data-kind=one]");
  await page.fill(".one [name=mac]", "80:5e");
  await page.waitForSelector(".one label.wrong .error");
  await page.fill(".one [name=mac]", fourth);
  await page.fill(".one [name=user]", "user3");
  await page.waitForSelector(".verdict .errors:has-text('password')");
  await page.fill(".one [name=password]", "secret-3");
  await verdict(page, "Phones to provision: 1");
  await page.click("[data-do=start]");
  await confirmDialog(page);
  await page.waitForSelector(".progress[data-finished=true]:has-text('1 of 1: 1 provisioned')");
  await go(page, `#/devices/${fourth}`, `.phone-view[data-mac="${fourth}"]`);

  // Twenty thousand lines with a byte order mark.
  await go(page, "#/import", ".import-view");
  await page.click("[data-kind=many]");
  let many = "\ufeffmac,user,password\n";
  for (let number = 0; number < 20_000; number++) many += `805ec1${number.toString(16).padStart(6, "0")},user${number},pw\n`;
  await page.setInputFiles("input[type=file]", file("many.csv", many, "utf8"));
  await page.waitForSelector(".verdict", { timeout: 100_000 });
  assert.match(await page.textContent("[data-verdict]"), /20,000|19,9\d\d/);
  // An empty file and one without a header are rejected with the reason.
  await page.setInputFiles("input[type=file]", file("empty.csv", "", "utf8"));
  await page.waitForSelector(".verdict .errors:has-text('empty')");
  await page.setInputFiles("input[type=file]", file("headless.csv", `${first};user1\n`, "utf8"));
  await page.waitForSelector(".verdict .errors:has-text('column')");
  assert.deepEqual(page.errors, []);
});
