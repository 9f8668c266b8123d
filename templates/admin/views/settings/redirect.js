// A vendor's redirect account: whether it works is tried without changing anything at the service.

import { html, nothing } from "../../lit/lit-html.js";
import { refused, said } from "../parts/message.js";

/** Whether phones of the vendor come without help: an account is set, or none is wanted. */
export function configured(settings, vendor) {
  const value = (name) => settings.find((one) => one.name === `redirect.${vendor.name}.${name}`);
  const protocol = value("protocol")?.effective || vendor.defaultProtocol;
  if (!protocol || protocol === "none") return true;
  return !!value("user")?.effective && !!value("password")?.set;
}

/** Whether the account is one the vendor lends out for trying: everybody has it. */
function isDemo(settings, vendor) {
  const user = settings.find((one) => one.name === `redirect.${vendor.name}.user`)?.effective ?? "";
  return (vendor.demoAccounts ?? []).some((demo) => demo.trim().toLowerCase() === user.trim().toLowerCase());
}

/** Warning and test button of one vendor. */
export function account(app, settings, vendor, tests, changed, redraw) {
  const state = tests.get(vendor.name);
  const test = async () => {
    tests.set(vendor.name, { busy: true });
    redraw();
    try {
      const told = await app.talk.ask("RedirectTest", { vendor: vendor.name });
      tests.set(vendor.name, { ok: told.ok, text: said(app, told.text) });
    } catch (error) {
      tests.set(vendor.name, { ok: false, text: refused(app, error) });
    }
    redraw();
  };
  const lacks = !configured(settings, vendor) ? "none" : isDemo(settings, vendor) ? "demo" : null;
  return html`${
    lacks
      ? html`<p class="warning" data-warning=${vendor.name}><span aria-hidden="true">⚠</span> ${app.t(`settings.redirect.${lacks}`, { vendor: vendor.title })}</p>`
      : nothing
  }
    <p class="test"><button type="button" data-test=${vendor.name} ?disabled=${state?.busy || changed} @click=${test}>${app.t("settings.redirect.test")}</button>
      ${changed ? html`<span class="hint">${app.t("settings.redirect.save-first")}</span>` : nothing}
      <span role="status">${state && !state.busy ? html`<span class="outcome ${state.ok ? "good" : "bad"}">${state.text}</span>` : nothing}</span></p>`;
}
