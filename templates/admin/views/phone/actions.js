// The actions of a phone. Each one asks for a confirmation and shows its effect.

import { html, nothing } from "../../lit/lit-html.js";
import { address } from "../../shell/routes.js";
import { categoryLabel, categoryReference } from "../parts/category.js";
import { confirmDialog } from "../parts/dialog.js";
import { errorText, messageText } from "../parts/message.js";

const DANGEROUS = new Set(["remove", "block", "release"]);

/** The actions offered in the phone's state. The gateway checks them again. */
export function availableActions(phone) {
  if (phone.removed) return [];
  if (phone.wanted === "removed") return [];
  if (phone.wanted !== "active") return ["activate", ...(phone.wanted === "released" ? ["resync"] : []), "remove"];
  const all = [];
  if (phone.delivered) all.push("resync", "ask-registration");
  all.push("allow");
  if (["refused", "foreign-owner", "owned-by-another"].includes(phone.redirect.state)) all.push("redirect-again");
  if (phone.deviceConfig.state === "not-in-domain") all.push("new-code");
  return [...all, "release", "block", "remove"];
}

async function categories(app) {
  try {
    return (await app.gateway.request("Categories", {})).categories;
  } catch (error) {
    app.notify(errorText(app, error));
    return [];
  }
}

async function fields(app, action) {
  if (action === "allow") {
    return html`<label class="check"><input type="checkbox" name="firstContact" value="yes"> ${app.t("act.allow.first-contact")}</label>
      <label>${app.t("act.allow.network")} <input name="network" placeholder="10.0.0.0/8" spellcheck="false"></label>`;
  }
  if (action === "new-code") {
    const list = await categories(app);
    return html`<label>${app.t("act.new-code.category")}
      <select name="category"><option value="">${app.t("act.new-code.own")}</option>
        ${list.map((one) => html`<option value=${categoryReference(list, one)}>${categoryLabel(list, one)}</option>`)}</select></label>
      <label class="check"><input type="checkbox" name="rollout" value="yes"> ${app.t("act.new-code.rollout")}</label>`;
  }
  return nothing;
}

function params(action, form) {
  if (action === "allow" && form.get("firstContact")) return { firstContact: form.get("network")?.trim() || true };
  if (action === "new-code") {
    const category = form.get("category");
    return { ...(category ? { category } : {}), ...(form.get("rollout") ? { rollout: true } : {}) };
  }
  return {};
}

/** Asks for a confirmation, sends the action and shows its effect. */
export async function runAction(app, mac, action, extraParams = {}) {
  const form = await confirmDialog(app, {
    title: app.t(`act.${action}`),
    text: app.t(`act.${action}.will`),
    yes: app.t(`act.${action}.yes`),
    dangerous: DANGEROUS.has(action),
    body: await fields(app, action),
  });
  if (!form) return;
  try {
    const { will } = await app.gateway.request("Act", { mac, action, ...extraParams, ...params(action, form) });
    app.notify(messageText(app, will));
  } catch (error) {
    app.notify(errorText(app, error));
  }
}

/** The button of the diagnosis. */
export function remedy(app, phone, sentence) {
  const { action } = sentence;
  if (!action) return nothing;
  if (action.name === "open-settings") {
    const href = address("settings", "instance", { setting: action.params?.setting });
    return html`<a class="button primary" data-act="open-settings" href=${href}>${app.t("act.open-settings")}</a>`;
  }
  return html`<button type="button" class="primary" data-act=${action.name} @click=${() => runAction(app, phone.mac, action.name, action.params ?? {})}>
    ${app.t(`act.${action.name}`)}</button>`;
}

/** All other buttons. */
export function actions(app, phone, sentence) {
  const others = availableActions(phone).filter((name) => name !== sentence.action?.name);
  return html`<div class="buttons actions" role="group" aria-label=${app.t("phone.actions")}>
    ${others.map(
      (
        name,
      ) => html`<button type="button" class=${DANGEROUS.has(name) ? "danger" : ""} data-act=${name} @click=${() => runAction(app, phone.mac, name)}>
        ${app.t(`act.${name}`)}</button>`,
    )}
  </div>`;
}
