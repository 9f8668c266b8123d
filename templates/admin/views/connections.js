// A snapshot of all service connections. The gateway also writes each snapshot to its log.

import { html, render, nothing } from "../lit/lit-html.js";
import { errorText, labelOr } from "./parts/message.js";
import { ago, moment } from "./parts/when.js";

const TONES = { up: "good", configured: "good", down: "bad", connecting: "busy", partly: "busy" };

class Connections {
  constructor(element, app) {
    Object.assign(this, { element, app, rows: null, at: null, error: null });
    this.load();
  }

  async load() {
    this.rows = null;
    this.draw();
    try {
      this.rows = (await this.app.gateway.request("Snapshot", {})).connections;
      Object.assign(this, { at: new Date().toISOString(), error: null });
    } catch (error) {
      Object.assign(this, { rows: [], error });
    }
    this.draw();
  }

  row(row) {
    const { app } = this;
    return html`<tr>
      <td>${labelOr(app, `connection.${row.kind}`, row.kind)}</td>
      <td>${row.name}</td>
      <td><span class="outcome ${TONES[row.state] ?? "plain"}">${labelOr(app, `connection.state.${row.state.replaceAll(" ", "-")}`, row.state)}</span></td>
      <td>${row.since ? html`<time datetime=${row.since} title=${moment(row.since)}>${ago(row.since)}</time>` : "–"}</td>
      <td>${row.error ?? nothing} ${row.detail ?? nothing}</td>
    </tr>`;
  }

  draw() {
    const { app } = this;
    render(
      html`<div class="connections-view">
        <header class="bar-of-tools">
          <h1>${app.t("connections.title")}</h1>
          <button type="button" ?disabled=${this.rows === null} @click=${() => this.load()}>${app.t("connections.again")}</button>
        </header>
        <p class="hint">${this.at ? app.t("connections.logged", { at: moment(this.at) }) : app.t("view.loading")}</p>
        ${this.error ? html`<p class="error" role="alert">${errorText(app, this.error)}</p>` : nothing}
        <div class="scrolls" tabindex="0" role="region" aria-label=${app.t("connections.title")}>
          <table aria-busy=${this.rows === null}>
            <thead><tr>${["kind", "name", "state", "since", "detail"].map((name) => html`<th scope="col">${app.t(`connections.${name}`)}</th>`)}</tr></thead>
            <tbody>${(this.rows ?? []).map((row) => this.row(row))}</tbody>
          </table>
        </div>
      </div>`,
      this.element,
    );
  }
}

export const view = {
  title: "connections.title",
  open(element, app) {
    const connections = new Connections(element, app);
    return { close() {}, go: () => connections.load() };
  },
};
