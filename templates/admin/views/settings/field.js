// One setting: its effective value, the origin, the overridden values, and an input.

import { html, nothing } from "../../lit/lit-html.js";
import { messageText, labelOr } from "../parts/message.js";
import { keyTable, parseRows } from "./keys.js";
import { scopeTitle } from "./scope.js";

/** The texts of the gateway's effect times, which are English phrases. */
const EFFECTS = {
  "at the phone's next request": "effect.next-request",
  "on the PBX at once, on the phone at its next request": "effect.pbx-and-next-request",
  "at once": "effect.at-once",
  "for phones provisioned or allowed from then on": "effect.next-provisioning",
  "with the next call to the redirect service": "effect.next-redirect",
  "with the daily clean-up": "effect.daily",
};

const zones = () => (Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : []);

/** The last part of `redirect.<vendor>.<name>`. */
export const textKey = (name) => (name.startsWith("redirect.") ? `redirect.${name.split(".").at(-1)}` : name);

function layer(app, origin) {
  return labelOr(app, `layer.${origin}`, /^(instance|vendor|model|category|phone)(:|$)/.test(origin) ? scopeTitle(app, origin) : origin);
}

function displayValue(app, value, setting) {
  if (setting?.kind.type === "line-keys") return app.t("keys.count", { count: parseRows(value).length });
  return value === "" ? app.t("settings.nothing") : value;
}

function input(app, setting, value, set, described, bad, keys) {
  const { kind } = setting;
  const id = `setting-${setting.name}`;
  const typed = (event) => set(event.target.value);
  const inherited = setting.set ? setting.default : setting.effective;
  if (kind.type === "bool" || kind.type === "choice") {
    const words = kind.type === "bool" ? ["true", "false"] : kind.words;
    return html`<select id=${id} name=${setting.name} aria-describedby=${described} aria-invalid=${bad} @change=${(event) => set(event.target.value === "" ? null : event.target.value)}>
      <option value="" ?selected=${value === null}>${app.t("settings.inherit", { value: displayValue(app, labelOr(app, `word.${inherited}`, inherited)) })}</option>
      ${words.map((word) => html`<option value=${word} ?selected=${word === value}>${labelOr(app, `word.${word}`, word)}</option>`)}
    </select>`;
  }
  if (kind.type === "line-keys") return keyTable(app, setting, value, keys, set, described);
  const type = setting.secret ? "password" : kind.type === "number" ? "number" : kind.type === "url" ? "url" : "text";
  const hint = setting.secret ? (setting.set ? app.t("settings.secret.set") : "") : setting.effective;
  return html`<input id=${id} name=${setting.name} type=${type} autocomplete=${setting.secret ? "new-password" : "off"} spellcheck="false"
      min=${kind.min ?? nothing} max=${kind.max ?? nothing} step=${kind.type === "number" ? 1 : nothing}
      list=${kind.type === "zone" ? "zones" : nothing} aria-describedby=${described} aria-invalid=${bad}
      placeholder=${hint} .value=${value ?? ""} @input=${typed}>`;
}

/** The list of time zones that all fields share. */
export function zoneList() {
  return html`<datalist id="zones">${zones().map((zone) => html`<option value=${zone}></option>`)}</datalist>`;
}

/** The label. A `label` element cannot refer to a table. */
function title(app, setting) {
  const text = html`${labelOr(app, `setting.${textKey(setting.name)}`, setting.name)} <code>${setting.name}</code>`;
  return setting.kind.type === "line-keys"
    ? html`<span class="label" id="label-${setting.name}">${text}</span>`
    : html`<label for="setting-${setting.name}">${text}</label>`;
}

/**
 * A field. `draft` is the edited value: undefined = unchanged, null = reset. `error` is a sentence or null. `pending` is the
 * number of phones that still have the old value. `keys` is the check of the line keys.
 */
export function field(app, setting, { draft, error, pending, set, discardDraft, keys }) {
  const value = draft !== undefined ? draft : setting.set && !setting.secret ? setting.value : null;
  const changed = draft !== undefined;
  const descriptionId = `about-${setting.name}`;
  const isSetHere = setting.set && draft !== null;
  return html`<div class="setting ${changed ? "changed" : ""} ${error ? "wrong" : ""}" data-setting=${setting.name}>
    ${title(app, setting)}
    <div class="value">
      ${input(app, setting, value, set, descriptionId, !!error, keys)}
      ${setting.unit ? html`<span class="unit">${labelOr(app, `unit.${setting.unit}`, setting.unit)}</span>` : nothing}
      ${isSetHere ? html`<button type="button" class="small" data-do="reset" @click=${() => set(null)}>${app.t("settings.reset")}</button>` : nothing}
      ${changed ? html`<button type="button" class="small" data-do="undo" @click=${discardDraft}>${app.t("settings.undo")}</button>` : nothing}
    </div>
    <div class="about" id=${descriptionId}>
      ${error ? html`<p class="error" role="alert">${error}</p>` : nothing}
      <p class="help">${messageText(app, setting.help)}</p>
      <p class="origin">${setting.secret ? nothing : html`<span>${app.t("settings.holds", { value: displayValue(app, setting.effective, setting) })}</span>`}
        <span class="layer">${app.t("settings.from", { layer: layer(app, setting.origin) })}</span>
        ${setting.beats.map((overridden) => html`<span class="beaten">${app.t("settings.beats", { layer: layer(app, overridden.origin), value: displayValue(app, overridden.value) })}</span>`)}</p>
      ${setting.withheld ? html`<p class="outcome busy" data-withheld>${app.t("settings.withheld")}</p>` : nothing}
      <p class="effect">${app.t("settings.effect", { when: labelOr(app, EFFECTS[setting.effect], setting.effect) })}
        ${pending ? html`<strong class="outcome busy" data-pending>${app.t("settings.pending", { count: pending })}</strong>` : nothing}</p>
    </div>
  </div>`;
}
