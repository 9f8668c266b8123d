// The phone's next file line by line with origins and masked secrets, the difference to the file it fetched last, and, on
// request, the passwords that gangway generated for the phone.

import { html, nothing } from "../../lit/lit-html.js";
import { confirmDialog } from "../parts/dialog.js";
import { errorText } from "../parts/message.js";
import { moment } from "../parts/when.js";

const KINDS = ["now", "diff", "open"];
/** The passwords that can be revealed: for fetching files, and of the phone's web page. */
const GENERATED = ["files", "web"];
/** Pauses in ms before the difference is requested again. The gateway reports a delivery before it stores the file. */
const RETRY_DELAYS = [250, 500, 1000, 2000, 4000, 8000];

export class Config {
  constructor(app, mac, redraw) {
    Object.assign(this, { app, mac, redraw, kind: "now", answer: null, error: null, search: "", revealed: new Map(), all: false, generation: 0 });
  }

  async load(kind = this.kind, attempt = 0) {
    const generation = ++this.generation;
    clearTimeout(this.retryTimer);
    Object.assign(this, { kind, error: null, answer: kind === this.kind ? this.answer : null });
    this.redraw();
    try {
      const answer =
        kind === "diff"
          ? await this.app.gateway.request("Diff", { mac: this.mac })
          : await this.app.gateway.request("Config", { mac: this.mac, open: kind === "open" });
      if (generation !== this.generation) return;
      this.answer = answer;
      this.revealed.clear();
      if (kind === "diff" && !answer.held.last && attempt < RETRY_DELAYS.length && !this.closed) {
        this.retryTimer = setTimeout(() => this.load(kind, attempt + 1), RETRY_DELAYS[attempt]);
      }
    } catch (error) {
      if (generation === this.generation) Object.assign(this, { error, answer: null });
    }
    this.redraw();
  }

  close() {
    this.closed = true;
    clearTimeout(this.retryTimer);
  }

  async reveal(what) {
    const { app } = this;
    const answer = await confirmDialog(app, {
      title: app.t(`config.reveal.${what}`),
      text: app.t("config.reveal.text"),
      yes: app.t("config.reveal.yes"),
    });
    if (!answer) return;
    try {
      const { user, password } = await app.gateway.request("Reveal", { mac: this.mac, what });
      this.revealed.set(what, { user, password });
    } catch (error) {
      app.notify(errorText(app, error));
    }
    this.redraw();
  }

  hide(what) {
    this.revealed.delete(what);
    this.redraw();
  }

  generatedLogin(what) {
    const { app } = this;
    const login = this.revealed.get(what);
    return html`<div class="generated" data-generated=${what}>
      <button type="button" class="small" aria-pressed=${login !== undefined} @click=${() => (login ? this.hide(what) : this.reveal(what))}>
        ${app.t(login ? "config.hide" : `config.reveal.${what}`)}</button>
      ${login ? html`<span class="mono">${login.user} <span class="text">${login.password}</span></span>` : nothing}</div>`;
  }

  line(line) {
    const layers = line.origins.filter((origin) => origin !== "template");
    return html`<tr class=${line.secret ? "secret" : ""} data-line=${line.n}>
      <td class="number">${line.n}</td>
      <td class="mono"><span class="text">${line.text}</span></td>
      <td class="origin" lang="en">${layers.map((origin) => html`<span>${origin}</span>`)}</td>
    </tr>`;
  }

  change(line, previous) {
    const { app } = this;
    // Unchanged lines between the changes are left out.
    const gap = previous && line.n !== null && previous.n !== null && line.n > previous.n + 1;
    const sign = { added: "+", removed: "−", same: " " }[line.kind];
    return html`<tr class="change ${line.kind} ${gap ? "gap" : ""}" data-kind=${line.kind}>
      <td class="number">${line.was ?? ""}</td><td class="number">${line.n ?? ""}</td>
      <td class="sign"><span aria-hidden="true">${sign}</span>${line.kind === "same" ? nothing : html`<span class="unseen">${app.t(`config.diff.${line.kind}`)}</span>`}</td>
      <td class="mono"><span class="text">${line.text}</span> ${line.secret && line.secret !== "same" ? html`<span class="outcome busy">${app.t(`config.secret.${line.secret}`)}</span>` : nothing}</td>
    </tr>`;
  }

  diffTable() {
    const { app, answer } = this;
    const changed = answer.added + answer.removed > 0;
    // Each change is shown with three unchanged lines around it; a checkbox shows the others.
    const nearChange = new Set();
    answer.lines.forEach((line, place) => {
      if (line.kind !== "same") for (let at = place - 3; at <= place + 3; at++) nearChange.add(at);
    });
    const lines = this.all ? answer.lines : answer.lines.filter((_, place) => nearChange.has(place));
    return html`<p class="hint">${app.t("config.held", { at: moment(answer.held.at), name: answer.held.name })}
        ${answer.held.last ? nothing : app.t("config.held.not-last")}</p>
      <p><strong data-summary>${changed ? app.t("config.diff.summary", { added: answer.added, removed: answer.removed }) : app.t("config.diff.none")}</strong></p>
      <label class="check"><input type="checkbox" .checked=${this.all} @change=${() => {
        this.all = !this.all;
        this.redraw();
      }}> ${app.t("config.diff.all")}</label>
      <div class="scrolls code" tabindex="0" role="region" aria-label=${app.t("config.kind.diff")}>
        <table class="file diff"><tbody>${lines.map((line, place) => this.change(line, lines[place - 1]))}</tbody></table></div>`;
  }

  file() {
    const { app, answer, search } = this;
    const needle = search.toLowerCase();
    const lines = answer.lines.filter(
      (line) => !needle || line.text.toLowerCase().includes(needle) || line.origins.join(" ").toLowerCase().includes(needle),
    );
    return html`${answer.notes?.length ? html`<ul class="notes" lang="en">${answer.notes.map((note) => html`<li>${note}</li>`)}</ul>` : nothing}
      <label class="search"><span>${app.t("config.search")}</span>
        <input type="search" .value=${search} @input=${(event) => {
          this.search = event.target.value;
          this.redraw();
        }}></label>
      <div class="scrolls code" tabindex="0" role="region" aria-label=${app.t(`config.kind.${this.kind}`)}>
        <table class="file"><thead><tr><th scope="col">${app.t("config.number")}</th><th scope="col">${app.t("config.line")}</th><th scope="col">${app.t("config.origin")}</th></tr></thead>
          <tbody>${lines.map((line) => this.line(line))}</tbody></table></div>`;
  }

  template() {
    const { app } = this;
    const body = this.error
      ? html`<p class="hint" role="status">${errorText(app, this.error)}</p>`
      : !this.answer
        ? html`<p class="hint">${app.t("view.loading")}</p>`
        : this.kind === "diff"
          ? this.diffTable()
          : this.file();
    return html`<section class="config" aria-labelledby="config-title">
      <header class="bar-of-tools"><h2 id="config-title">${app.t("config.title")}</h2>
        <div class="choice" role="group" aria-label=${app.t("config.title")}>
          ${KINDS.map((kind) => html`<button type="button" data-kind=${kind} aria-pressed=${this.kind === kind} @click=${() => this.load(kind)}>${app.t(`config.kind.${kind}`)}</button>`)}
        </div></header>
      ${GENERATED.map((what) => this.generatedLogin(what))}
      ${body}
    </section>`;
  }
}
