// The scope of a setting: the instance, a vendor, a model, a category or one phone.

import { html, nothing } from "../../lit/lit-html.js";
import { address } from "../../shell/routes.js";
import { parseMac, formatMac } from "../parts/mac.js";

/** The title of a scope. */
export function scopeTitle(app, scope) {
  const [word, ...rest] = scope.split(":");
  const name = rest.join(":");
  if (!name) return app.t("scope.instance");
  return `${app.t(`scope.${word}`)} ${word === "phone" ? formatMac(name) : name}`;
}

/** The scope chooser. Calls `choose` with the scope. */
export function scopeChooser(app, scope, scopes, choose, categories) {
  const [kind, ...rest] = scope.split(":");
  const name = rest.join(":");
  const vendors = app.hello?.vendors ?? [];
  const models = vendors.flatMap((vendor) => vendor.models.map((model) => `${vendor.name}/${model}`));
  const others = (list, layer) => [
    ...new Set([
      ...list,
      ...scopes.filter((one) => one.startsWith(`${layer}:`)).map((one) => one.slice(layer.length + 1)),
      ...(kind === layer ? [name] : []),
    ]),
  ];
  const options = (list) => list.map((one) => html`<option value=${one} ?selected=${one === name}>${one}</option>`);
  const select = (layer, list) => html`<label><span>${app.t(`scope.${layer}`)}</span>
    <select data-scope=${layer} @change=${(event) => event.target.value && choose(`${layer}:${event.target.value}`)}>
      <option value="" ?selected=${kind !== layer}>–</option>${options(others(list, layer))}</select></label>`;
  const phone = (event) => {
    const mac = parseMac(event.target.value);
    event.target.setCustomValidity(mac || !event.target.value ? "" : app.t("scope.bad-mac"));
    event.target.reportValidity();
    if (mac) choose(`phone:${mac}`);
  };
  return html`<div class="scopes filters" role="group" aria-label=${app.t("settings.scope")}>
    <button type="button" data-scope="instance" aria-pressed=${scope === "instance"} @click=${() => choose("instance")}>${app.t("scope.instance")}</button>
    ${select(
      "vendor",
      vendors.map((vendor) => vendor.name),
    )}
    ${select("model", models)}
    ${select("category", categories)}
    <label><span>${app.t("scope.phone")}</span><input data-scope="phone" spellcheck="false" placeholder="80:5e:c0:…" .value=${kind === "phone" ? formatMac(name) : ""} @change=${phone}></label>
    ${
      scopes.length
        ? html`<p class="hint">${app.t("settings.scopes")}
      ${scopes.slice(0, 40).map((one) => html`<a href=${address("settings", one)} aria-current=${one === scope ? "true" : nothing}>${scopeTitle(app, one)}</a> `)}</p>`
        : nothing
    }
  </div>`;
}
