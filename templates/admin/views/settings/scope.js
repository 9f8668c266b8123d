// Where a setting is set: the whole instance, a vendor, a model, a category or one phone.

import { html, nothing } from "../../lit/lit-html.js";
import { address } from "../../shell/routes.js";
import { digits, spelled } from "../parts/mac.js";

/** A scope as people read it. */
export function named(app, scope) {
  const [word, ...rest] = scope.split(":");
  const name = rest.join(":");
  if (!name) return app.t("scope.instance");
  return `${app.t(`scope.${word}`)} ${word === "phone" ? spelled(name) : name}`;
}

/** The chooser: kinds, then the name; `choose` gets the scope. */
export function chooser(app, scope, scopes, choose, categories) {
  const [kind, ...rest] = scope.split(":");
  const name = rest.join(":");
  const vendors = app.hello?.vendors ?? [];
  const models = vendors.flatMap((vendor) => vendor.models.map((model) => `${vendor.name}/${model}`));
  const others = (list, of) => [
    ...new Set([
      ...list,
      ...scopes.filter((one) => one.startsWith(`${of}:`)).map((one) => one.slice(of.length + 1)),
      ...(kind === of ? [name] : []),
    ]),
  ];
  const options = (list) => list.map((one) => html`<option value=${one} ?selected=${one === name}>${one}</option>`);
  const select = (of, list) => html`<label><span>${app.t(`scope.${of}`)}</span>
    <select data-scope=${of} @change=${(event) => event.target.value && choose(`${of}:${event.target.value}`)}>
      <option value="" ?selected=${kind !== of}>–</option>${options(others(list, of))}</select></label>`;
  const phone = (event) => {
    const mac = digits(event.target.value);
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
    <label><span>${app.t("scope.phone")}</span><input data-scope="phone" spellcheck="false" placeholder="80:5e:c0:…" .value=${kind === "phone" ? spelled(name) : ""} @change=${phone}></label>
    ${
      scopes.length
        ? html`<p class="hint">${app.t("settings.scopes")}
      ${scopes.slice(0, 40).map((one) => html`<a href=${address("settings", one)} aria-current=${one === scope ? "true" : nothing}>${named(app, one)}</a> `)}</p>`
        : nothing
    }
  </div>`;
}
