// The sources of timeline entries.

const KINDS = {
  provisioning: ["requested", "handed-over", "handset-added", "handset-handed-over", "account-removed"],
  devices: ["joined", "member", "config-received", "config-changed", "not-in-domain", "devices-away"],
  redirect: ["redirected", "redirect-call", "redirect-differs", "redirect-refused", "deregistered", "asks-person"],
  request: [
    "last-request",
    "first-delivery",
    "delivered",
    "unchanged",
    "too-early",
    "rejected",
    "overdue",
    "alarm",
    "told-by-pnp",
    "allowed",
    "window-closed",
  ],
  pbx: ["named", "flags-written", "flags-failed", "registered", "not-registered", "registration-lost", "orphaned", "found"],
  person: ["person", "wanted", "resync", "buried"],
};

/** All sources in the order of provisioning. */
export const SOURCES = [...Object.keys(KINDS), "other"];

const OF_KIND = new Map(Object.entries(KINDS).flatMap(([source, kinds]) => kinds.map((kind) => [kind, source])));

/** The source of an entry. `withheld` exists for accounts and for requests; a request names an address. */
export function source(entry) {
  if (entry.kind === "withheld") return /\(.*\)$/.test(entry.text) ? "request" : "pbx";
  if (entry.source !== "event") return entry.source;
  return OF_KIND.get(entry.kind) ?? "other";
}

const BAD = new Set([
  "not-in-domain",
  "devices-away",
  "redirect-refused",
  "rejected",
  "overdue",
  "alarm",
  "flags-failed",
  "not-registered",
  "registration-lost",
  "orphaned",
  "withheld",
  "too-early",
]);
const GOOD = new Set(["joined", "config-received", "redirected", "delivered", "unchanged", "flags-written", "registered", "found"]);

/** Good, bad or plain. */
export function tone(entry) {
  if (entry.kind === "redirect-call") return /^(ok|done|already)/i.test(entry.detail?.outcome ?? "") ? "good" : "plain";
  if (BAD.has(entry.kind)) return "bad";
  return GOOD.has(entry.kind) ? "good" : "plain";
}
