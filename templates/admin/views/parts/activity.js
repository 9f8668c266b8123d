// Requests, deliveries and provisionings over time: the last 24 hours, or 30 days in the browser's zone.

import { html, svg, nothing } from "../../lit/lit-html.js";
import { date, hour } from "./when.js";

const HOUR = 3_600_000;
const WIDTH = 360;
const HEIGHT = 70;
const SERIES = ["requests", "deliveries", "provisionings"];

/** The columns of a chart out of the gateway's hours; every column is there, also those in which nothing was going on. */
export function columns(hours, days, now) {
  const begin = new Date(now);
  if (days) begin.setHours(0, 0, 0, 0);
  else begin.setMinutes(0, 0, 0);
  const count = days || 24;
  const all = [];
  for (let back = count - 1; back >= 0; back--) {
    const at = new Date(begin);
    if (days) at.setDate(at.getDate() - back);
    else at.setTime(at.getTime() - back * HOUR);
    all.push({ at, requests: 0, deliveries: 0, provisionings: 0 });
  }
  for (const one of hours) {
    const at = new Date(one.at);
    const column = all.findLast((known) => known.at <= at);
    if (column) for (const name of SERIES) column[name] += one[name];
  }
  return all;
}

/** Draws one series as bars; a table beside it for those who do not see pictures. */
export function bars(app, all, days) {
  const label = (column) => (days ? date(column.at) : hour(column.at));
  const step = WIDTH / all.length;
  const chart = (name) => {
    const most = Math.max(1, ...all.map((column) => column[name]));
    const sum = all.reduce((total, column) => total + column[name], 0);
    const bar = (column, place) => {
      const height = (column[name] / most) * HEIGHT;
      return svg`<rect class="bar ${name}" x=${place * step + 1} y=${HEIGHT - height} width=${Math.max(1, step - 2)} height=${height}>
        <title>${label(column)}: ${column[name]}</title></rect>`;
    };
    return html`<figure class="chart">
      <figcaption>${app.t(`chart.${name}`)} <strong>${sum}</strong></figcaption>
      <svg viewBox="0 0 ${WIDTH} ${HEIGHT + 16}" role="img" aria-label=${app.t("chart.label", { what: app.t(`chart.${name}`), sum, most })}>
        <line class="base" x1="0" x2=${WIDTH} y1=${HEIGHT} y2=${HEIGHT}></line>
        ${all.map(bar)}
        ${all.map((column, place) =>
          place % Math.ceil(all.length / 5) === 0 ? svg`<text x=${place * step} y=${HEIGHT + 13}>${label(column)}</text>` : nothing,
        )}
      </svg>
    </figure>`;
  };
  return html`<div class="charts">${SERIES.map(chart)}</div>`;
}

/** The whole section with its switch, drawn by `redraw` when something came. */
export function activity(app, redraw) {
  const state = { days: 0, hours: [], now: Date.now(), error: null };
  let turn = 0;
  const load = async () => {
    const mine = ++turn;
    try {
      const told = await app.talk.ask("Chart", { hours: state.days ? 744 : 24 });
      // The range may have changed meanwhile.
      if (mine !== turn) return;
      Object.assign(state, { hours: told.hours, now: told.now, error: null });
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
