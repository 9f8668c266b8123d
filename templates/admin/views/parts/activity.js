// Requests, deliveries and provisionings over time: the last 24 hours, or 30 days in the browser's zone.

import { html, svg, nothing } from "../../lit/lit-html.js";
import { date, hour } from "./when.js";

const HOUR = 3_600_000;
const WIDTH = 360;
const HEIGHT = 70;
const SERIES = ["requests", "deliveries", "provisionings"];

/** Returns the columns of a chart, including those without activity, from the gateway's hours. */
export function columns(hours, days, now) {
  const start = new Date(now);
  if (days) start.setHours(0, 0, 0, 0);
  else start.setMinutes(0, 0, 0);
  const count = days || 24;
  const list = [];
  for (let distance = count - 1; distance >= 0; distance--) {
    const at = new Date(start);
    if (days) at.setDate(at.getDate() - distance);
    else at.setTime(at.getTime() - distance * HOUR);
    list.push({ at, requests: 0, deliveries: 0, provisionings: 0 });
  }
  for (const entry of hours) {
    const at = new Date(entry.at);
    const column = list.findLast((candidate) => candidate.at <= at);
    if (column) for (const name of SERIES) column[name] += entry[name];
  }
  return list;
}

/** Draws each series as bars. */
export function bars(app, list, days) {
  const label = (column) => (days ? date(column.at) : hour(column.at));
  const step = WIDTH / list.length;
  const chart = (name) => {
    const most = Math.max(1, ...list.map((column) => column[name]));
    const sum = list.reduce((total, column) => total + column[name], 0);
    const bar = (column, index) => {
      const height = (column[name] / most) * HEIGHT;
      return svg`<rect class="bar ${name}" x=${index * step + 1} y=${HEIGHT - height} width=${Math.max(1, step - 2)} height=${height}>
        <title>${label(column)}: ${column[name]}</title></rect>`;
    };
    return html`<figure class="chart">
      <figcaption>${app.t(`chart.${name}`)} <strong>${sum}</strong></figcaption>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT + 16}" role="img" aria-label=${app.t("chart.label", { what: app.t(`chart.${name}`), sum, most })}>
        <line class="base" x1="0" x2=${WIDTH} y1=${HEIGHT} y2=${HEIGHT}></line>
        ${list.map(bar)}
        ${list.map((column, index) =>
          index % Math.ceil(list.length / 5) === 0 ? svg`<text x=${index * step} y=${HEIGHT + 13}>${label(column)}</text>` : nothing,
        )}
      </svg>
    </figure>`;
  };
  return html`<div class="charts">${SERIES.map(chart)}</div>`;
}

/** The section with its range switch. Calls `redraw` when data has arrived. */
export function activity(app, redraw) {
  const state = { days: 0, hours: [], now: Date.now(), error: null };
  let generation = 0;
  const load = async () => {
    const requested = ++generation;
    try {
      const answer = await app.gateway.request("Chart", { hours: state.days ? 744 : 24 });
      // The range may have changed meanwhile.
      if (requested !== generation) return;
      Object.assign(state, { hours: answer.hours, now: answer.now, error: null });
    } catch (error) {
      state.error = error;
    }
    redraw();
  };
  const choose = (days) => () => {
    state.days = days;
    load();
  };
  const timer = setInterval(load, 60_000);
  load();
  return {
    template: () => html`<section class="activity" aria-labelledby="activity-title">
      <header class="bar-of-tools">
        <h2 id="activity-title">${app.t("chart.title")}</h2>
        <div class="choice" role="group" aria-label=${app.t("chart.range")}>
          <button type="button" aria-pressed=${!state.days} @click=${choose(0)}>${app.t("chart.day")}</button>
          <button type="button" aria-pressed=${!!state.days} @click=${choose(30)}>${app.t("chart.month")}</button>
        </div>
      </header>
      ${bars(app, columns(state.hours, state.days, state.now), state.days)}
    </section>`,
    close: () => clearInterval(timer),
  };
}
