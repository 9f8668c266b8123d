// The file as the phone will get it, line by line with its origins, secrets masked; what would change against the file it
// fetched last; and on demand the passwords gangway generated for this phone.

import { html, nothing } from "../../lit/lit-html.js";
import { question } from "../parts/dialog.js";
import { refused } from "../parts/message.js";
import { moment } from "../parts/when.js";

const KINDS = ["now", "diff", "open"];
/** What can be revealed: with which the phone fetches its files, and of its web page. */
const GENERATED = ["files", "web"];
/** The phone is told to have fetched a file a moment before that file is kept: so often, and after so long, it is asked for again. */
const AGAIN = [250, 500, 1000, 2000, 4000, 8000];

export class Config {
  constructor(app, mac, redraw) {
    Object.assign(this, { app, mac, redraw, kind: "now", told: null, error: null, search: "", shown: new Map(), all: false, turn: 0 });
  }

  async load(kind = this.kind, tries = 0) {
    const turn = ++this.turn;
    clearTimeout(this.due);
    Object.assign(this, { kind, error: null, told: kind === this.kind ? this.told : null });
    this.redraw();
    try {
      const told =
        kind === "diff"
          ? await this.app.talk.ask("Diff", { mac: this.mac })
          : await this.app.talk.ask("Config", { mac: this.mac, open: kind === "open" });
      if (turn !== this.turn) return;
      this.told = told;
      this.shown.clear();
      if (kind === "diff" && !told.held.last && tries < AGAIN.length && !this.closed) {
        this.due = setTimeout(() => this.load(kind, tries + 1), AGAIN[tries]);
      }
    } catch (error) {
      if (turn === this.turn) Object.assign(this, { error, told: null });
    }
    this.redraw();
  }

  close() {
    this.closed = true;
    clearTimeout(this.due);
  }

  async reveal(what) {
    const { app } = this;
    const answer = await question(app, {
      title: app.t(`config.reveal.${what}`),
      text: app.t("config.reveal.text"),
      yes: app.t("config.reveal.yes"),
    });
    if (!answer) return;
    try {
      const { user, password } = await app.talk.ask("Reveal", { mac: this.mac, what });
      this.shown.set(what, { user, password });
    } catch (error) {
      app.say(refused(app, error));
    }
    this.redraw();
  }

  hide(what) {
    this.shown.delete(what);
    this.redraw();
  }

  generated(what) {
    const { app } = this;
    const login = this.shown.get(what);
    return html`<div class="generated" data-generated=${what}>
      <button type="button" class="small" aria-pressed=${login !== undefined} @click=${() => (login ? this.hide(what) : this.reveal(what))}>
        ${app.t(login ? "config.hide" : `config.reveal.${what}`)}</button>
      ${login ? html`<span class="mono">${login.user} <span class="text">${login.password}</span></span>` : nothing}</div>`;
  }

  line(line) {
    const own = line.origins.filter((origin) => origin !== "template");
    return html`<tr class=${line.secret ? "secret" : ""} data-line=${line.n}>
      <td class="number">${line.n}</td>
      <td class="mono"><span class="text">${line.text}</span></td>
      <td class="origin" lang="en">${own.map((origin) => html`<span>${origin}</span>`)}</td>
    </tr>`;
  }

  change(line, before) {
    const { app } = this;
    // Lines that stay the same are left out between the changes.
    const gap = before && line.n !== null && before.n !== null && line.n > before.n + 1;
    const sign = { added: "+", removed: "−", same: " " }[line.kind];
    return html`<tr class="change ${line.kind} ${gap ? "gap" : ""}" data-kind=${line.kind}>
      <td class="number">${line.was ?? ""}</td><td class="number">${line.n ?? ""}</td>
      <td class="sign"><span aria-hidden="true">${sign}</span>${line.kind === "same" ? nothing : html`<span class="unseen">${app.t(`config.diff.${line.kind}`)}</span>`}</td>
      <td class="mono"><span class="text">${line.text}</span> ${line.secret && line.secret !== "same" ? html`<span class="outcome busy">${app.t(`config.secret.${line.secret}`)}</span>` : nothing}</td>
    </tr>`;
  }

  difference() {
    const { app, told } = this;
    const changed = told.added + told.removed > 0;
    // Around each change a few lines that are the same; the rest on demand.
    const near = new Set();
    told.lines.forEach((line, place) => {
      if (line.kind !== "same") for (let at = place - 3; at <= place + 3; at++) near.add(at);
    });
    const lines = this.all ? told.lines : told.lines.filter((_, place) => near.has(place));
    return html`<p class="hint">${app.t("config.held", { at: moment(told.held.at), name: told.held.name })}
        ${told.held.last ? nothing : app.t("config.held.not-last")}</p>
      <p><strong data-summary>${changed ? app.t("config.diff.summary", { added: told.added, removed: told.removed }) : app.t("config.diff.none")}</strong></p>
      <label class="check"><input type="checkbox" .checked=${this.all} @change=${() => {
        this.all = !this.all;
        this.redraw();
      }}> ${app.t("config.diff.all")}</label>
      <div class="scrolls code" tabindex="0" role="region" aria-label=${app.t("config.kind.diff")}>
        <table class="file diff"><tbody>${lines.map((line, place) => this.change(line, lines[place - 1]))}</tbody></table></div>`;
  }

  file() {
    const { app, told, search } = this;
    const wanted = search.toLowerCase();
    const lines = told.lines.filter(
      (line) => !wanted || line.text.toLowerCase().includes(wanted) || line.origins.join(" ").toLowerCase().includes(wanted),
    );
    return html`${told.notes?.length ? html`<ul class="notes" lang="en">${told.notes.map((note) => html`<li>${note}</li>`)}</ul>` : nothing}
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
      ? html`<p class="hint" role="status">${refused(app, this.error)}</p>`
      : !this.told
        ? html`<p class="hint">${app.t("view.loading")}</p>`
        : this.kind === "diff"
          ? this.difference()
          : this.file();
    return html`<section class="config" aria-labelledby="config-title">
      <header class="bar-of-tools"><h2 id="config-title">${app.t("config.title")}</h2>
        <div class="choice" role="group" aria-label=${app.t("config.title")}>
          ${KINDS.map((kind) => html`<button type="button" data-kind=${kind} aria-pressed=${this.kind === kind} @click=${() => this.load(kind)}>${app.t(`config.kind.${kind}`)}</button>`)}
        </div></header>
      ${GENERATED.map((what) => this.generated(what))}
      ${body}
    </section>`;
  }
}
