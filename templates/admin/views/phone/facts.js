// The details of a phone and its accounts.

import { html, nothing } from "../../lit/lit-html.js";
import { labelOr } from "../parts/message.js";
import { ago, moment } from "../parts/when.js";

const timeElement = (at) => (at ? html`<time datetime=${at} title=${moment(at)}>${ago(at)}</time>` : "–");

function state(app, name, facet) {
  if (!facet) return nothing;
  return html`<span class="facet" data-state=${facet.state} title=${facet.error ?? ""}>${labelOr(app, `state.${name}.${facet.state}`, facet.state)}</span>`;
}

/** The facets in the order of provisioning. */
export function facets(app, phone) {
  const all = [
    ["deviceConfig", phone.deviceConfig],
    ["redirect", phone.redirect],
    ["requests", phone.requests],
    ["flags", phone.flags],
    ["registered", phone.registered],
  ];
  return html`<dl class="facets">${all.map(
    ([name, facet]) => html`<div class="facet-of" data-facet=${name}><dt>${app.t(`phone.facet.${name}`)}</dt>
      <dd>${facet ? state(app, name, facet) : "–"} ${facet ? html`<small>${timeElement(facet.since)}</small>` : nothing}
        ${facet?.error ? html`<p class="why" lang="en">${facet.error}</p>` : nothing}
        ${facet?.next ? html`<small>${app.t("phone.next-attempt")} ${timeElement(facet.next)}</small>` : nothing}</dd></div>`,
  )}</dl>`;
}

/** The users and their registrations. */
export function accounts(app, phone) {
  const head = ["line", "name", "user", "hwid", "pbx", "flags", "registered"];
  return html`<section aria-labelledby="accounts-title">
    <h2 id="accounts-title">${app.t("phone.accounts")} <small>${phone.accountCount}</small></h2>
    <div class="scrolls" tabindex="0" role="region" aria-labelledby="accounts-title"><table class="accounts">
      <thead><tr>${head.map((name) => html`<th scope="col">${app.t(`phone.account.${name}`)}</th>`)}</tr></thead>
      <tbody>${phone.accounts.map(
        (account) => html`<tr>
          <td class="number">${account.line}</td><td>${account.name}</td><td>${account.user}</td><td><span class="mono">${account.hwid}</span> ${account.deviceName ?? nothing}</td><td>${account.pbx}</td>
          <td>${state(app, "flags", account.flags)}</td>
          <td>${state(app, "registered", account.registered)} ${account.registeredAddress ?? nothing}
            ${account.orphanedSince ? html`<small>${app.t("phone.account.orphaned")} ${timeElement(account.orphanedSince)}</small>` : nothing}</td>
        </tr>`,
      )}</tbody></table></div>
    ${phone.accountCount > phone.accounts.length ? html`<p class="hint">${app.t("phone.accounts.more", { count: phone.accountCount - phone.accounts.length })}</p>` : nothing}
  </section>`;
}

/** How long the provisioning code that waits to be used is valid. Users does not tell it of the codes that it fetches. */
function code(app, { validUntil }) {
  return validUntil ? html`${app.t("phone.code.until")} ${timeElement(validUntil)}` : app.t("phone.code.of-users");
}

/** The other details. */
export function facts(app, phone) {
  const last = phone.request;
  const firmware = phone.firmwareWanted
    ? html`${phone.firmware ?? "–"} → ${phone.firmwareWanted} ${phone.firmwareCurrent === false ? html`<span class="outcome bad">${app.t("phone.firmware.old")}</span>` : nothing}`
    : (phone.firmware ?? "–");
  const open = phone.window?.until && !phone.window.closed;
  const rows = {
    vendor: `${phone.vendor} ${phone.model ?? ""}${phone.knownModel === false && phone.model ? ` (${app.t("phone.unknown-model")})` : ""}`,
    firmware,
    domain: phone.devicesDomain ?? "–",
    category: phone.category ?? "–",
    ...(phone.code ? { code: code(app, phone.code) } : {}),
    address: last ? html`<span class="mono">${last.address}</span>` : "–",
    agent: last?.userAgent ?? "–",
    "last-request": last ? html`${timeElement(last.at)}, ${last.file}, ${last.outcome} <small>(${last.requests})</small>` : "–",
    delivered: phone.delivered
      ? html`${timeElement(phone.delivered)} ${phone.holdsCurrentFile === false ? html`<span class="outcome busy">${app.t("phone.file.old")}</span>` : nothing}`
      : "–",
    window: open ? html`${app.t("phone.window.open")} ${timeElement(phone.window.until)}` : app.t("phone.window.closed"),
    sysclient: [phone.sysclient?.name, phone.sysclient?.product, phone.sysclient?.version].filter(Boolean).join(" · ") || "–",
    url: html`${phone.manualUrl ? html`<span class="mono">${phone.manualUrl}</span>` : "–"} ${phone.urlProblem ? html`<small class="why" lang="en">${phone.urlProblem}</small>` : nothing}`,
    provisionings: phone.provisionings,
    created: timeElement(phone.created),
  };
  return html`<dl class="facts">${Object.entries(rows).map(([name, value]) => html`<dt>${app.t(`phone.fact.${name}`)}</dt><dd>${value}</dd>`)}</dl>`;
}
