// A vendor's redirect account: a warning and a test that changes nothing at the service.

import { html, nothing } from "../../lit/lit-html.js";
import { errorText, messageText } from "../parts/message.js";

/** Whether an account is set or the vendor needs none. */
export function isConfigured(settings, vendor) {
  const value = (name) => settings.find((setting) => setting.name === `redirect.${vendor.name}.${name}`);
  const protocol = value("protocol")?.effective || vendor.defaultProtocol;
  if (!protocol || protocol === "none") return true;
  return !!value("user")?.effective && !!value("password")?.set;
}

/** Whether the account is a public demo account of the vendor. */
function isDemo(settings, vendor) {
  const user = settings.find((setting) => setting.name === `redirect.${vendor.name}.user`)?.effective ?? "";
  return (vendor.demoAccounts ?? []).some((demo) => demo.trim().toLowerCase() === user.trim().toLowerCase());
}

/** Warning and test button of one vendor. */
export function accountTest(app, settings, vendor, tests, changed, redraw) {
  const state = tests.get(vendor.name);
  const test = async () => {
    tests.set(vendor.name, { busy: true });
    redraw();
    try {
      const answer = await app.gateway.request("RedirectTest", { vendor: vendor.name });
      tests.set(vendor.name, { ok: answer.ok, text: messageText(app, answer.text) });
    } catch (error) {
      tests.set(vendor.name, { ok: false, text: errorText(app, error) });
    }
    redraw();
  };
  const warning = !isConfigured(settings, vendor) ? "none" : isDemo(settings, vendor) ? "demo" : null;
  return html`${
    warning
      ? html`<p class="warning" data-warning=${vendor.name}><span aria-hidden="true">⚠</span> ${app.t(`settings.redirect.${warning}`, { vendor: vendor.title })}</p>`
      : nothing
  }
    <p class="test"><button type="button" data-test=${vendor.name} ?disabled=${state?.busy || changed} @click=${test}>${app.t("settings.redirect.test")}</button>
      ${changed ? html`<span class="hint">${app.t("settings.redirect.save-first")}</span>` : nothing}
      <span role="status">${state && !state.busy ? html`<span class="outcome ${state.ok ? "good" : "bad"}">${state.text}</span>` : nothing}</span></p>`;
}
