// The tab "RPS history": what was said to redirect services and what they answered.

import { html, render, nothing } from "../lit/lit-html.js";
import { repeat } from "../lit/directives/repeat.js";
import { activity } from "./parts/activity.js";
import { question } from "./parts/dialog.js";
import { download } from "./parts/download.js";
import { digits, spelled } from "./parts/mac.js";
import { refused } from "./parts/message.js";
import { moment } from "./parts/when.js";

const PAGE = 100;

/** An outcome in one word: good, bad or neither. */
function tone(outcome) {
  if (/^(ok|done|already|success)/i.test(outcome)) return "good";
  return /(fail|refus|error|away|denied|invalid|wrong|another)/i.test(outcome) ? "bad" : "plain";
}

class History {
  constructor(element, app) {
    Object.assign(this, { element, app, rows: [], more: null, busy: false, news: false, error: null });
    this.filter = { search: "", mac: "", vendor: "", command: "", from: "", to: "" };
    this.turn = 0;
    this.chart = activity(app, () => this.draw());
    this.following = app.talk.follow(
      "HistorySubscribe",
      {},
      () => this.load(),
      "HistoryChanged",
      () => this.changed(),
    );
    this.draw();
  }

  wish() {
    const { from, to, mac, ...rest } = this.filter;
    const time = (typed) => (typed ? new Date(typed).toISOString() : null);
    return { ...rest, mac: digits(mac) ?? "", from: time(from), to: time(to) };
  }

  badMac() {
    return this.filter.mac.trim() !== "" && digits(this.filter.mac) === null;
  }

  async load(before = null) {
    if (this.badMac()) return this.draw();
    const turn = ++this.turn;
    this.busy = true;
    this.draw();
    try {
      const told = await this.app.talk.ask("History", { filter: this.wish(), before, count: PAGE });
      if (turn !== this.turn) return;
      this.rows = before === null ? told.rows : [...this.rows, ...told.rows];
      Object.assign(this, { more: told.more, error: null });
      if (before === null) this.news = false;
    } catch (error) {
      if (turn === this.turn) this.error = error;
    }
    if (turn === this.turn) this.busy = false;
    this.draw();
  }

  /** New rows: shown at once while the reader is at the top, announced otherwise. */
  changed() {
    if (this.rows.length > PAGE || this.element.querySelector(".history-rows [open]")) {
      this.news = true;
      this.draw();
    } else {
      this.load();
    }
  }

  typed(name) {
    return (event) => {
      this.filter[name] = event.target.value;
      clearTimeout(this.later);
      this.later = setTimeout(() => this.load(), 250);
      this.draw();
    };
  }

  async save() {
    try {
      const told = await this.app.talk.ask("HistoryExport", { filter: this.wish() });
      download("rps-history.csv", told.text);
    } catch (error) {
      this.app.say(refused(this.app, error));
    }
  }

  async prune() {
    const { app } = this;
    const answer = await question(app, {
      title: app.t("history.prune"),
      text: app.t("history.prune.text"),
      yes: app.t("history.prune.yes"),
      dangerous: true,
      body: html`<label>${app.t("history.prune.days")}
        <input name="days" type="number" min="0" max="3650" value="90" required></label>`,
    });
    if (!answer) return;
    try {
      const { pruned } = await app.talk.ask("HistoryPrune", { days: Number(answer.get("days")) });
      app.say(app.t("history.pruned", { count: pruned }));
      this.load();
    } catch (error) {
      app.say(refused(app, error));
    }
  }

  filters() {
    const { app, filter } = this;
    const field = (name, type = "search") => html`<label class=${name === "mac" && this.badMac() ? "wrong" : ""}>
      <span>${app.t(`history.filter.${name}`)}</span>
      <input type=${type} name=${name} .value=${filter[name]} aria-invalid=${name === "mac" && this.badMac()} @input=${this.typed(name)}></label>`;
    return html`<form class="filters" role="search" @submit=${(event) => event.preventDefault()}>
      ${field("search")} ${field("mac", "text")}
      <label><span>${app.t("history.filter.vendor")}</span>
        <select name="vendor" @change=${this.typed("vendor")}>
          <option value="">${app.t("view.all")}</option>
          ${(app.hello?.vendors ?? []).map((vendor) => html`<option value=${vendor.name} ?selected=${vendor.name === filter.vendor}>${vendor.title}</option>`)}
        </select></label>
      ${field("command", "text")} ${field("from", "datetime-local")} ${field("to", "datetime-local")}
    </form>`;
  }

  row(row) {
    const { app } = this;
    return html`<tr>
      <td class="time"><time datetime=${row.at}>${moment(row.at)}</time></td>
      <td class="mono">${row.mac ? html`<a href="#/devices/${row.mac}">${spelled(row.mac)}</a>` : "–"}</td>
      <td>${row.vendor}</td>
      <td>${row.command}</td>
      <td><span class="outcome ${tone(row.outcome)}">${row.outcome}</span></td>
      <td class="number">${row.took}</td>
      <td>${row.answer ? html`<details><summary>${app.t("history.answer")}</summary><pre>${row.answer}</pre></details>` : "–"}</td>
    </tr>`;
  }

  draw() {
    const { app } = this;
    const head = ["at", "mac", "vendor", "command", "outcome", "took", "answer"];
    render(
      html`<div class="history-view">
        ${this.chart?.template() ?? nothing}
        <section aria-labelledby="history-title">
          <header class="bar-of-tools">
            <h1 id="history-title">${app.t("history.title")}</h1>
            <button type="button" data-do="export" @click=${() => this.save()}>${app.t("history.export")}</button>
            <button type="button" data-do="prune" @click=${() => this.prune()}>${app.t("history.prune")}</button>
          </header>
          ${this.filters()}
          ${this.error ? html`<p class="error" role="alert">${refused(app, this.error)}</p>` : nothing}
          ${this.news ? html`<button type="button" class="news" @click=${() => this.load()}>${app.t("history.news")}</button>` : nothing}
          <div class="scrolls" tabindex="0" role="region" aria-label=${app.t("history.rows")}>
            <table class="history-rows" aria-busy=${this.busy}>
              <thead><tr>${head.map((name) => html`<th scope="col">${app.t(`history.${name}`)}</th>`)}</tr></thead>
              <tbody>${repeat(
                this.rows,
                (row) => row.id,
                (row) => this.row(row),
              )}</tbody>
            </table>
          </div>
          ${!this.busy && this.rows.length === 0 ? html`<p class="empty">${app.t("history.empty")}</p>` : nothing}
          ${this.more !== null ? html`<button type="button" class="more" ?disabled=${this.busy} @click=${() => this.load(this.more)}>${app.t("view.more")}</button>` : nothing}
        </section>
      </div>`,
      this.element,
    );
  }

  close() {
    clearTimeout(this.later);
    this.chart.close();
    this.following.stop();
  }
}

export const view = {
  title: "history.title",
  open(element, app) {
    const history = new History(element, app);
    return { close: () => history.close(), go() {} };
  },
};
