// The first steps of an instance without phones: what the PBX has, lacks and has wrong, and what phones need besides.

import { html, render, nothing } from "../../lit/lit-html.js";
import { errorReason, t, translate } from "../../text/index.js";
import { confirmDialog } from "../parts/dialog.js";

const TONES = { present: "good", missing: "bad", wrong: "bad" };

export class Setup {
  #app;
  #plan = null;
  #changes = [];
  #error = null;
  #busy = false;
  /** The providers to compare; null: those that are connected. */
  #providers = null;
  #pbx = "";

  constructor(app) {
    this.#app = app;
    this.element = document.createElement("section");
    this.element.className = "setup";
    this.#request("PbxPlan", {}).then((plan) => {
      if (plan) this.#show(plan);
    });
  }

  #wish() {
    return { ...(this.#providers ? { providers: this.#providers } : {}), ...(this.#pbx ? { pbx: this.#pbx } : {}) };
  }

  async #request(name, more) {
    [this.#busy, this.#error] = [true, null];
    this.#draw();
    try {
      return await this.#app.gateway.request(name, { ...this.#wish(), ...more });
    } catch (error) {
      this.#error = error;
      return null;
    } finally {
      this.#busy = false;
      this.#draw();
    }
  }

  #show(plan) {
    this.#plan = plan;
    this.#providers = plan.providers;
    this.#draw();
  }

  async #check() {
    this.#changes = [];
    const plan = await this.#request("PbxPlan", {});
    if (plan) this.#show(plan);
  }

  async #apply() {
    const { pbx, findings } = this.#plan;
    const steps = findings.filter((finding) => finding.step).map((finding) => finding.step);
    const body = html`<ul>${steps.map((step) => html`<li>${translate(step.text)}</li>`)}</ul>`;
    const question = { title: t("page.setup.title"), text: t("page.setup.ask", { pbx }), body, yes: t("page.setup.ask-yes") };
    if (!(await confirmDialog(this.#app, question))) return;
    // The confirmed changes are those of this PBX, whichever connects meanwhile.
    const result = await this.#request("PbxApply", { pbx, steps: steps.map((step) => step.id) });
    if (!result) return;
    this.#changes = result.changes;
    this.#show(result.plan);
  }

  #choose(name, on) {
    const others = (this.#providers ?? []).filter((known) => known !== name);
    this.#providers = on ? [...others, name] : others;
    this.#check();
  }

  #vendors() {
    const all = this.#app.hello.vendors.flatMap((vendor) => vendor.providers);
    const box = ({ name, title }) => html`<label>
      <input type="checkbox" .checked=${(this.#providers ?? []).includes(name)} ?disabled=${this.#busy} @change=${(event) => this.#choose(name, event.target.checked)} />
      ${title}
    </label>`;
    return html`<fieldset class="setup-vendors"><legend>${t("page.setup.vendors")}</legend>${all.map(box)}</fieldset>`;
  }

  #finding({ state, text, step, byHand }) {
    return html`<li class="setup-finding">
      <span class="outcome ${TONES[state] ?? "plain"}">${t(`page.setup.state.${state}`)}</span> ${translate(text)}
      ${step ? html`<p>${translate(step.text)}</p>` : nothing}
      ${byHand ? html`<p class="hint">${t("page.setup.by-hand", { text: byHand })}</p>` : nothing}
    </li>`;
  }

  #change({ text, former, done }) {
    return html`<li class=${done ? "" : "error"}>${translate(text)} ${former === null ? nothing : t("page.setup.former", { former: former || "–" })}</li>`;
  }

  #result() {
    const { pbx, base, findings, complete, mayApply, notes } = this.#plan;
    const isOpen = findings.some((finding) => finding.step);
    return html`
      <p>${t("page.setup.explain", { pbx, base })}</p>
      ${this.#vendors()}
      <ul class="setup-findings">${findings.map((finding) => this.#finding(finding))}</ul>
      ${complete ? html`<p>${t("page.setup.complete")}</p>` : nothing}
      ${isOpen && mayApply ? html`<button type="button" class="primary" ?disabled=${this.#busy} @click=${() => this.#apply()}>${t("page.setup.apply")}</button>` : nothing}
      ${isOpen && !mayApply ? html`<p class="hint">${t("page.setup.off")}</p>` : nothing}
      <h3>${t("page.setup.notes")}</h3>
      <ul>${notes.map((note) => html`<li>${translate(note)}</li>`)}</ul>
    `;
  }

  #draw() {
    const isAmbiguous = this.#error && !this.#plan;
    render(
      html`<h2>${t("page.setup.title")}</h2>
        ${this.#error ? html`<p class="error" role="alert">${errorReason(this.#error)}</p>` : nothing}
        ${isAmbiguous ? html`<label>${t("page.setup.pbx")} <input type="text" name="pbx" @change=${(event) => (this.#pbx = event.target.value.trim())} /></label>` : nothing}
        <ul role="status">${this.#changes.map((change) => this.#change(change))}</ul>
        ${this.#plan ? this.#result() : nothing}
        <button type="button" ?disabled=${this.#busy} @click=${() => this.#check()}>${t("page.setup.check")}</button>`,
      this.element,
    );
  }
}
