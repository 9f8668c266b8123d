// The filters of the list: in the address, as parameters of the request, and as controls.

import { html } from "../../lit/lit-html.js";
import { live } from "../../lit/directives/live.js";
import { count, t } from "../../text/index.js";

/** The states of each facet by the name of its filter. */
const STATES = {
  config: ["deviceConfig", ["waiting", "connecting", "received", "not-in-domain", "lost"]],
  redirect: ["redirect", ["pending", "redirected", "foreign-owner", "refused", "not-configured"]],
  requests: ["requests", ["not-yet", "before-config", "rejected", "provisioned", "overdue"]],
  flags: ["flags", ["pending", "applied", "not-permitted", "device-not-found", "did-not-stick"]],
  registered: ["registered", ["unknown", "registered", "not-registered", "no-password"]],
  wanted: ["wanted", ["active", "released", "blocked", "removed"]],
};
const CHECKBOXES = ["stuck", "overdue", "removed"];

/** The stages of a phone, the best first. */
export const STAGES = ["working", "provisioned", "underway", "stuck", "overdue", "leaving"];

/** Returns the `query` of a request. */
export function queryOf(filters) {
  const query = {};
  if (filters.search) query.search = filters.search;
  if (filters.vendor) query.vendors = [filters.vendor];
  if (filters.stage) query.stages = [filters.stage];
  for (const checkbox of CHECKBOXES) if (filters[checkbox]) query[checkbox] = true;
  for (const [name, [facet]] of Object.entries(STATES)) {
    if (filters[name]) query.states = { ...query.states, [facet]: [filters[name]] };
  }
  return query;
}

/** Returns the `sort` of a request. */
export function sortOrder(filters) {
  const by = filters.sort ?? "name";
  return by.startsWith("-") ? { by: by.slice(1), descending: true } : { by, descending: false };
}

/** Returns the sort order as a parameter of the address. */
export const sortParam = ({ by, descending }) => (by === "name" && !descending ? "" : `${descending ? "-" : ""}${by}`);

const hasFilter = (filters) => Object.entries(filters).some(([name, value]) => value && name !== "sort");
const hasMoreFilters = (filters) => Object.keys(STATES).some((name) => filters[name]) || filters.removed;

function select(filters, name, values, change) {
  return html`<label class="choice-of"><span>${t(`page.filter.${name}`)}</span>
    <select name=${name} .value=${live(filters[name] ?? "")} @change=${(event) => change({ [name]: event.target.value })}>
      <option value="">${t("page.filter.any")}</option>
      ${values.map(([value, word]) => html`<option value=${value} ?selected=${filters[name] === value}>${word}</option>`)}
    </select></label>`;
}

const checkbox = (filters, name, change) =>
  html`<label class="tick"><input type="checkbox" name=${name} .checked=${live(Boolean(filters[name]))}
    @change=${(event) => change({ [name]: event.target.checked ? "1" : "" })}> ${t(`page.filter.${name}`)}</label>`;

/** The controls above the list. Calls `change(part)` with the changed filters, or null to reset them. */
export function filterBar(filters, list, vendors, change) {
  const titles = vendors.map(({ name, title }) => [name, title ?? name]);
  const found = list.total ?? 0;
  return html`
    <search class="tools">
      <label class="search-box"><span class="unseen">${t("page.filter.search")}</span>
        <input type="search" name="search" placeholder=${t("page.filter.search-hint")} autocomplete="off" spellcheck="false" maxlength="200"
          .value=${live(filters.search ?? "")} @input=${(event) => change({ search: event.target.value })}></label>
      ${select(filters, "vendor", titles, change)}
      ${select(filters, "stage", STAGES.map((stage) => [stage, t(`page.stage.${stage}`)]), change)}
      ${checkbox(filters, "stuck", change)} ${checkbox(filters, "overdue", change)}
      <details class="more-filters" ?open=${hasMoreFilters(filters)}>
        <summary>${t("page.filter.more")}</summary>
        <div>
          ${Object.entries(STATES).map(([name, [facet, values]]) =>
            select(filters, name, values.map((word) => [word, t(`state.${facet}.${word}`)]), change))}
          ${checkbox(filters, "removed", change)}
        </div>
      </details>
      ${hasFilter(filters) ? html`<button class="reset" @click=${() => change(null)}>${t("page.filter.reset")}</button>` : ""}
      <p class="found" role="status">
        ${list.total === null ? "" : found === list.all ? count("page.devices.all", found) : t("page.devices.found", { found, all: list.all })}
      </p>
    </search>`;
}
