// What is looked for: in the address, as the gateway wants it, and as people choose it.

import { html } from "../../lit/lit-html.js";
import { live } from "../../lit/directives/live.js";
import { count, t } from "../../text/index.js";

/** The states of each facet by the name of its filter. */
const STATES = {
  config: ["deviceConfig", ["waiting", "connecting", "received", "not-in-domain", "lost"]],
  redirect: ["redirect", ["pending", "redirected", "foreign-owner", "refused", "not-configured"]],
  requests: ["requests", ["not-yet", "before-config", "rejected", "provisioned", "overdue"]],
  flags: ["flags", ["pending", "applied", "not-permitted", "device-not-found", "did-not-stick"]],
  registered: ["registered", ["unknown", "registered", "not-registered"]],
  wanted: ["wanted", ["active", "released", "blocked", "removed"]],
};
const TICKS = ["stuck", "overdue", "removed"];

/** The stages of a phone's life, the best first. */
export const STAGES = ["working", "provisioned", "underway", "stuck", "overdue", "leaving"];

/** The `query` of a request. */
export function query(wish) {
  const asked = {};
  if (wish.search) asked.search = wish.search;
  if (wish.vendor) asked.vendors = [wish.vendor];
  if (wish.stage) asked.stages = [wish.stage];
  for (const tick of TICKS) if (wish[tick]) asked[tick] = true;
  for (const [name, [facet]] of Object.entries(STATES)) {
    if (wish[name]) asked.states = { ...asked.states, [facet]: [wish[name]] };
  }
  return asked;
}

/** The `sort` of a request. */
export function sorting(wish) {
  const by = wish.sort ?? "name";
  return by.startsWith("-") ? { by: by.slice(1), descending: true } : { by, descending: false };
}

/** How a sort stands in the address. */
export const sorted = ({ by, descending }) => (by === "name" && !descending ? "" : `${descending ? "-" : ""}${by}`);

const chosen = (wish) => Object.entries(wish).some(([name, value]) => value && name !== "sort");
const inside = (wish) => Object.keys(STATES).some((name) => wish[name]) || wish.removed;

function choice(wish, name, words, change) {
  return html`<label class="choice-of"><span>${t(`page.filter.${name}`)}</span>
    <select name=${name} .value=${live(wish[name] ?? "")} @change=${(event) => change({ [name]: event.target.value })}>
      <option value="">${t("page.filter.any")}</option>
      ${words.map(([value, word]) => html`<option value=${value} ?selected=${wish[name] === value}>${word}</option>`)}
    </select></label>`;
}

const tick = (wish, name, change) =>
  html`<label class="tick"><input type="checkbox" name=${name} .checked=${live(Boolean(wish[name]))}
    @change=${(event) => change({ [name]: event.target.checked ? "1" : "" })}> ${t(`page.filter.${name}`)}</label>`;

/** The tools above the list. `change(part)` is told what shall be different. */
export function filters(wish, list, vendors, change) {
  const titles = vendors.map(({ name, title }) => [name, title ?? name]);
  const found = list.total ?? 0;
  return html`
    <search class="tools">
      <label class="search-box"><span class="unseen">${t("page.filter.search")}</span>
        <input type="search" name="search" placeholder=${t("page.filter.search-hint")} autocomplete="off" spellcheck="false" maxlength="200"
          .value=${live(wish.search ?? "")} @input=${(event) => change({ search: event.target.value })}></label>
      ${choice(wish, "vendor", titles, change)}
      ${choice(wish, "stage", STAGES.map((stage) => [stage, t(`page.stage.${stage}`)]), change)}
      ${tick(wish, "stuck", change)} ${tick(wish, "overdue", change)}
      <details class="more-filters" ?open=${inside(wish)}>
        <summary>${t("page.filter.more")}</summary>
        <div>
          ${Object.entries(STATES).map(([name, [facet, words]]) =>
            choice(wish, name, words.map((word) => [word, t(`state.${facet}.${word}`)]), change))}
          ${tick(wish, "removed", change)}
        </div>
      </details>
      ${chosen(wish) ? html`<button class="reset" @click=${() => change(null)}>${t("page.filter.reset")}</button>` : ""}
      <p class="found" role="status">
        ${list.total === null ? "" : found === list.all ? count("page.devices.all", found) : t("page.devices.found", { found, all: list.all })}
      </p>
    </search>`;
}
