// The tab "RPS history": calls to redirect services and their answers.

import { html, render, nothing } from "../lit/lit-html.js";
import { repeat } from "../lit/directives/repeat.js";
import { activity } from "./parts/activity.js";
import { confirmDialog } from "./parts/dialog.js";
import { download } from "./parts/download.js";
import { parseMac, formatMac } from "./parts/mac.js";
import { errorText } from "./parts/message.js";
import { moment } from "./parts/when.js";

const PAGE_SIZE = 100;

/** The tone of an outcome. */
function tone(outcome) {
  if (/^(ok|done|already|success)/i.test(outcome)) return "good";
  return /(fail|refus|error|away|denied|invalid|wrong|another)/i.test(outcome) ? "bad" : "plain";
}

class History {
  constructor(element, app) {
    Object.assign(this, { element, app, rows: [], more: null, busy: false, hasNewRows: false, error: null });
    this.filter = { search: "", mac: "", vendor: "", command: "", from: "", to: "" };
    this.generation = 0;
    this.chart = activity(app, () => this.draw());
    this.subscription = app.gateway.subscribe(
      "HistorySubscribe",
      {},
      () => this.load(),
      "HistoryChanged",
      () => this.onChange(),
    );
    this.draw();
  }

  filterParams() {
    const { from, to, mac, ...rest } = this.filter;
    const time = (local) => (local ? new Date(local).toISOString() : null);
    return { ...rest, mac: parseMac(mac) ?? "", from: time(from), to: time(to) };
  }

  hasInvalidMac() {
    return this.filter.mac.trim() !== "" && parseMac(this.filter.mac) === null;
  }

  async load(before = null) {
    if (this.hasInvalidMac()) return this.draw();
    const generation = ++this.generation;
    this.busy = true;
    this.draw();
    try {
      const answer = await this.app.gateway.request("History", { filter: this.filterParams(), before, count: PAGE_SIZE });
      if (generation !== this.generation) return;
      this.rows = before === null ? answer.rows : [...this.rows, ...answer.rows];
      Object.assign(this, { more: answer.more, error: null });
      if (before === null) this.hasNewRows = false;
    } catch (error) {
      if (generation === this.generation) this.error = error;
    }
    if (generation === this.generation) this.busy = false;
    this.draw();
  }

  /** Loads new rows at once, or shows a button for them if the list was extended or an answer is open. */
  onChange() {
    if (this.rows.length > PAGE_SIZE || this.element.querySelector(".history-rows [open]")) {
      this.hasNewRows = true;
      this.draw();
    } else {
      this.load();
    }
  }

  onInput(name) {
    return (event) => {
      this.filter[name] = event.target.value;
      clearTimeout(this.inputTimer);
      this.inputTimer = setTimeout(() => this.load(), 250);
      this.draw();
    };
  }

  async exportCsv() {
    try {
      const answer = await this.app.gateway.request("HistoryExport", { filter: this.filterParams() });
      download("rps-history.csv", answer.text);
    } catch (error) {
      this.app.notify(errorText(this.app, error));
    }
  }

  async prune() {
    const { app } = this;
    const answer = await confirmDialog(app, {
      title: app.t("history.prune"),
      text: app.t("history.prune.text"),
      yes: app.t("history.prune.yes"),
      dangerous: true,
      body: html`<label>${app.t("history.prune.days")}
        <input name="days" type="number" min="0" max="3650" value="90" required></label>`,
    });
    if (!answer) return;
    try {
      const { pruned } = await app.gateway.request("HistoryPrune", { days: Number(answer.get("days")) });
      app.notify(app.t("history.pruned", { count: pruned }));
      this.load();
    } catch (error) {
      app.notify(errorText(app, error));
    }
  }

  filters() {
    const { app, filter } = this;
    const field = (name, type = "search") => html`<label class=${name === "mac" && this.hasInvalidMac() ? "wrong" : ""}>
      <span>${app.t(`history.filter.${name}`)}</span>
      <input type=${type} name=${name} .value=${filter[name]} aria-invalid=${name === "mac" && this.hasInvalidMac()} @input=${this.onInput(name)}></label>`;
    return html`<form class="filters" role="search" @submit=${(event) => event.preventDefault()}>
      ${field("search")} ${field("mac", "text")}
      <label><span>${app.t("history.filter.vendor")}</span>
        <select name="vendor" @change=${this.onInput("vendor")}>
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
      <td class="mono">${row.mac ? html`<a href="#/devices/${row.mac}">${formatMac(row.mac)}</a>` : "–"}</td>
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
            <button type="button" data-do="export" @click=${() => this.exportCsv()}>${app.t("history.export")}</button>
            <button type="button" data-do="prune" @click=${() => this.prune()}>${app.t("history.prune")}</button>
          </header>
          ${this.filters()}
          ${this.error ? html`<p class="error" role="alert">${errorText(app, this.error)}</p>` : nothing}
          ${this.hasNewRows ? html`<button type="button" class="news" @click=${() => this.load()}>${app.t("history.news")}</button>` : nothing}
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
    clearTimeout(this.inputTimer);
    this.chart.close();
    this.subscription.stop();
  }
}

export const view = {
  title: "history.title",
  open(element, app) {
    const history = new History(element, app);
    return { close: () => history.close(), go() {} };
  },
};
