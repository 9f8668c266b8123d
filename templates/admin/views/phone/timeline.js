// The timeline of a phone, newest first, filtered by source.

import { html, nothing } from "../../lit/lit-html.js";
import { repeat } from "../../lit/directives/repeat.js";
import { hasText, translate } from "../../text/index.js";
import { labelOr } from "../parts/message.js";
import { day, moment, time } from "../parts/when.js";
import { SOURCES, source, tone } from "./sources.js";

let lastNumber = 0;

/** Merges new entries. Each gets a number as its key, because several may have the same time and text. */
export function mergeEntries(entries, more) {
  const kept = more.some((entry) => entry.source === "request") ? entries.filter((entry) => entry.source !== "request") : entries;
  const numbered = more.map((entry) => ({ ...entry, number: ++lastNumber, of: source(entry) }));
  return [...kept, ...numbered].sort((one, other) => (one.at === other.at ? one.number - other.number : one.at < other.at ? -1 : 1));
}

function detail(app, entry) {
  const { detail } = entry;
  if (!detail) return nothing;
  if (typeof detail === "string") return html`<pre>${detail}</pre>`;
  const rows = Object.entries(detail).filter(([, value]) => value !== null && value !== "");
  return html`<details><summary>${app.t("timeline.detail")}</summary>
    <dl class="facts">${rows.map(([name, value]) => html`<dt>${labelOr(app, `timeline.detail.${name}`, name)}</dt><dd>${name === "answer" ? html`<pre>${value}</pre>` : String(value)}</dd>`)}</dl>
  </details>`;
}

/** The text of an entry in the page's language. Older entries and texts of services are in English. */
function sentence({ said: text, text: english }) {
  return text && hasText(text.key) ? html`<p>${translate({ ...text, text: english })}</p>` : html`<p lang="en">${english}</p>`;
}

function line(app, entry) {
  return html`<li class="entry ${entry.of} ${tone(entry)}">
    <time datetime=${entry.at} title=${moment(entry.at)}>${time(entry.at)}</time>
    <span class="dot" aria-hidden="true"></span>
    <div>
      <strong>${labelOr(app, `event.${entry.kind}`, entry.kind)}</strong>
      <span class="source">${app.t(`timeline.source.${entry.of}`)}</span>
      ${sentence(entry)}
      ${detail(app, entry)}
    </div>
  </li>`;
}

/** The timeline. `hidden` is the set of hidden sources. */
export function timeline(app, entries, hidden, toggle) {
  const counts = new Map();
  for (const entry of entries) counts.set(entry.of, (counts.get(entry.of) ?? 0) + 1);
  const visible = entries.filter((entry) => !hidden.has(entry.of)).reverse();
  const days = [];
  for (const entry of visible) {
    const name = day(entry.at);
    if (days.at(-1)?.name !== name) days.push({ name, entries: [] });
    days.at(-1).entries.push(entry);
  }
  return html`<section class="timeline" aria-labelledby="timeline-title">
    <header class="bar-of-tools"><h2 id="timeline-title">${app.t("timeline.title")}</h2></header>
    <div class="choice sources" role="group" aria-label=${app.t("timeline.filter")}>
      ${SOURCES.filter((name) => counts.has(name)).map(
        (
          name,
        ) => html`<button type="button" class=${name} data-source=${name} aria-pressed=${!hidden.has(name)} @click=${() => toggle(name)}>
          <span class="dot" aria-hidden="true"></span>${app.t(`timeline.source.${name}`)} <small>${counts.get(name)}</small></button>`,
      )}
    </div>
    ${visible.length === 0 ? html`<p class="empty">${app.t("timeline.empty")}</p>` : nothing}
    ${repeat(
      days,
      (one) => one.name,
      (one) => html`<h3>${one.name}</h3>
      <ol class="entries">${repeat(
        one.entries,
        (entry) => entry.number,
        (entry) => line(app, entry),
      )}</ol>`,
    )}
  </section>`;
}
