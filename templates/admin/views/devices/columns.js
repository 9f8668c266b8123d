// The columns of the list of phones.

import { html } from "../../lit/lit-html.js";
import { icon } from "../../shell/icons.js";
import { address } from "../../shell/routes.js";
import { mac, moment, stateWord, t } from "../../text/index.js";

/** The tone of each facet's states: done, in progress, needs the administrator, not started. */
const TONES = {
  deviceConfig: { received: "good", waiting: "busy", connecting: "busy", lost: "busy", "not-in-domain": "bad" },
  redirect: { redirected: "good", pending: "busy", "foreign-owner": "bad", refused: "bad", "not-configured": "calm" },
  requests: { provisioned: "good", "before-config": "busy", rejected: "bad", overdue: "bad", "not-yet": "calm" },
  flags: { applied: "good", pending: "busy", "not-permitted": "bad", "device-not-found": "bad", "did-not-stick": "bad" },
  registered: { registered: "good", "not-registered": "bad", "no-password": "bad", unknown: "calm" },
};

function facet(name) {
  return (row) => {
    const status = row[name];
    if (!status) return html`<span class="tone none">–</span>`;
    const word = stateWord(name, status.state);
    return html`<span class="tone ${TONES[name][status.state] ?? "calm"}" title=${status.error ?? word}>${word}</span>`;
  };
}

function users(row) {
  const more = row.userCount - row.users.length;
  return more > 0 ? `${row.name} ${t("page.devices.more-users", { more })}` : row.name || row.users[0]?.user || "–";
}

const state = (row) =>
  html`<span class="stage ${row.stage}">${icon(row.stage)}<span>${t(`cause.${row.cause}.state`)}</span></span>`;

/** The reported firmware and, if a version is set, the wanted one. */
function firmware(row) {
  const { firmware: reported, firmwareWanted: wanted, firmwareCurrent: current } = row;
  if (!wanted) return plainCell(reported);
  const both = t("page.firmware.both", { reported: reported ?? "–", wanted });
  const tone = current === null ? "calm" : current ? "good" : "bad";
  return html`<span class="tone ${tone}" title=${both}>${reported ?? "–"} / ${wanted}</span>`;
}
/** The category, with its domain as the title: two domains may have categories of the same name. */
const category = (row) => html`<span title=${[row.devicesDomain, row.category].filter(Boolean).join(" / ")}>${row.category ?? row.devicesDomain ?? "–"}</span>`;
const plainCell = (value) => html`<span title=${value || ""}>${value || "–"}</span>`;

/** `name` is the cell's class, `by` the gateway's sort key. With `descends` the first click sorts in descending order. */
export const COLUMNS = [
  // Phones that need the administrator come first.
  { name: "state", by: "stage", descends: true, cell: state },
  { name: "user", by: "name", cell: (row) => html`<a tabindex="-1" href=${address("devices", row.mac)} title=${users(row)}>${users(row)}</a>` },
  { name: "mac", by: "mac", cell: (row) => html`<span class="mono">${mac(row.mac)}</span>` },
  { name: "model", by: "model", cell: (row) => plainCell([row.vendor, row.model].filter(Boolean).join(" ")) },
  { name: "config", by: "deviceConfig", cell: facet("deviceConfig") },
  { name: "redirect", by: "redirect", cell: facet("redirect") },
  { name: "requests", by: "requests", cell: facet("requests") },
  { name: "flags", by: "flags", cell: facet("flags") },
  { name: "registered", by: "registered", cell: facet("registered") },
  { name: "last", by: "lastRequest", cell: (row) => html`<time datetime=${row.lastRequest ?? ""} title=${moment(row.lastRequest, true)}>${moment(row.lastRequest)}</time>` },
  { name: "firmware", by: "firmware", cell: firmware },
  { name: "address", by: "address", cell: (row) => plainCell(row.address) },
  { name: "category", by: "category", cell: category },
  { name: "pbx", by: null, cell: (row) => plainCell([...new Set(row.users.map((user) => user.pbx).filter(Boolean))].join(", ")) },
];
