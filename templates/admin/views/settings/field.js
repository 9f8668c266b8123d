// One setting: what holds, where it comes from and what it beats, and a typed input to change it here.

import { html, nothing } from "../../lit/lit-html.js";
import { said, word } from "../parts/message.js";
import { keyTable, rowsOf } from "./keys.js";
import { named } from "./scope.js";

const zones = () => (Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : []);

/** The last part of `redirect.<vendor>.<name>`. */
export const short = (name) => (name.startsWith("redirect.") ? `redirect.${name.split(".").at(-1)}` : name);

function layer(app, origin) {
  return word(app, `layer.${origin}`, /^(instance|vendor|model|category|phone)(:|$)/.test(origin) ? named(app, origin) : origin);
}

function shown(app, value, setting) {
  if (setting?.kind.type === "line-keys") return app.t("keys.count", { count: rowsOf(value).length });
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
      <option value="" ?selected=${value === null}>${app.t("settings.inherit", { value: shown(app, word(app, `word.${inherited}`, inherited)) })}</option>
      ${words.map((one) => html`<option value=${one} ?selected=${one === value}>${word(app, `word.${one}`, one)}</option>`)}
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

/** The list of zones all fields share. */
export function zoneList() {
  return html`<datalist id="zones">${zones().map((zone) => html`<option value=${zone}></option>`)}</datalist>`;
}

/** A table is no input a label could be for. */
function title(app, setting) {
  const text = html`${word(app, `setting.${short(setting.name)}`, setting.name)} <code>${setting.name}</code>`;
  return setting.kind.type === "line-keys"
    ? html`<span class="label" id="label-${setting.name}">${text}</span>`
    : html`<label for="setting-${setting.name}">${text}</label>`;
}

/**
 * A field. `draft` is what was typed: undefined = nothing, null = taken back. `error` is a sentence or nothing. `pending`
 * tells how many phones still hold the old value, `keys` what there is to say of line keys.
 */
export function field(app, setting, { draft, error, pending, set, forget, keys }) {
  const value = draft !== undefined ? draft : setting.set && !setting.secret ? setting.value : null;
  const changed = draft !== undefined;
  const describes = `about-${setting.name}`;
  const here = setting.set && draft !== null;
  return html`<div class="setting ${changed ? "changed" : ""} ${error ? "wrong" : ""}" data-setting=${setting.name}>
    ${title(app, setting)}
    <div class="value">
      ${input(app, setting, value, set, describes, !!error, keys)}
      ${setting.unit ? html`<span class="unit">${word(app, `unit.${setting.unit}`, setting.unit)}</span>` : nothing}
      ${here ? html`<button type="button" class="small" data-do="reset" @click=${() => set(null)}>${app.t("settings.reset")}</button>` : nothing}
      ${changed ? html`<button type="button" class="small" data-do="undo" @click=${forget}>${app.t("settings.undo")}</button>` : nothing}
    </div>
    <div class="about" id=${describes}>
      ${error ? html`<p class="error" role="alert">${error}</p>` : nothing}
      <p class="help">${said(app, setting.help)}</p>
      <p class="origin">${setting.secret ? nothing : html`<span>${app.t("settings.holds", { value: shown(app, setting.effective, setting) })}</span>`}
        <span class="layer">${app.t("settings.from", { layer: layer(app, setting.origin) })}</span>
        ${setting.beats.map((beaten) => html`<span class="beaten">${app.t("settings.beats", { layer: layer(app, beaten.origin), value: shown(app, beaten.value) })}</span>`)}</p>
      ${setting.withheld ? html`<p class="outcome busy" data-withheld>${app.t("settings.withheld")}</p>` : nothing}
      <p class="effect">${app.t("settings.effect", { when: word(app, `effect.${setting.effect}`, setting.effect) })}
        ${pending ? html`<strong class="outcome busy" data-pending>${app.t("settings.pending", { count: pending })}</strong>` : nothing}</p>
    </div>
  </div>`;
}
