// The way in: nothing to do in the client's frame, the instance's password in a plain browser.

import { html, render } from "../lit/lit-html.js";
import { t } from "../text/index.js";
import { clientLogin, framed } from "../transport/myapps.js";
import { passwordLogin } from "../transport/password.js";

const MANY = 5;

/** Makes logins for the line; `element` is where a person is asked. */
export class Login {
  #element;
  #start;
  #make = framed ? clientLogin : null;
  #wrong = 0;
  #note = "";
  #busy = false;

  /** `start` connects. */
  constructor(element, start) {
    [this.#element, this.#start] = [element, start];
  }

  /** A login for a challenge. */
  make(challenge) {
    return this.#make(challenge);
  }

  /** Whether a login can be made without asking anybody. */
  get ready() {
    return this.#make !== null;
  }

  /** Asks whoever sits there. */
  ask() {
    this.#show();
    this.#element.querySelector("input")?.focus();
  }

  /** The gateway did not take the login, or the client made none. */
  failed(state, error) {
    this.#busy = false;
    if (framed) {
      this.#note = state === "refused" ? t("page.login.client-not-taken") : t(error?.message, { detail: error?.detail ?? "" });
    } else {
      this.#wrong += 1;
      this.#make = null;
      this.#note = t(this.#wrong >= MANY ? "page.login.locked" : "page.login.wrong");
    }
    this.#show();
    this.#element.querySelector("input")?.select();
  }

  /** The gateway was not reached; the line tries again by itself. */
  lost() {
    this.#note = t("page.login.unreachable");
    this.#show();
  }

  /** Inside. */
  done() {
    [this.#wrong, this.#note, this.#busy] = [0, "", false];
    render("", this.#element);
  }

  /** The language changed. */
  again() {
    if (this.#element.childElementCount) this.#show();
  }

  #submit(event) {
    event.preventDefault();
    const typed = event.target.elements.password.value;
    if (!typed || this.#busy) return;
    this.#make = passwordLogin(typed);
    this.#busy = true;
    this.#show();
    this.#start();
  }

  #show() {
    const note = this.#note && html`<p class="note bad" role="alert">${this.#note}</p>`;
    const form = html`
      <form class="login" @submit=${(event) => this.#submit(event)}>
        <h1>gangway</h1>
        <p>${t("page.login.lead")}</p>
        <label for="password">${t("page.login.password")}</label>
        <input id="password" name="password" type="password" autocomplete="current-password" required maxlength="1000">
        ${note}
        <button class="primary" ?disabled=${this.#busy}>${t("page.login.enter")}</button>
      </form>`;
    const waiting = html`
      <div class="login">
        <h1>gangway</h1>
        ${note || html`<p role="status">${t("page.login.client")}</p>`}
        <button class="primary" @click=${() => this.#start()}>${t("page.again")}</button>
      </div>`;
    render(framed ? waiting : form, this.#element);
  }
}
