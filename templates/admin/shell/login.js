// The login: the client logs in when it embeds the page; a plain browser shows a form for the instance's password.

import { html, render } from "../lit/lit-html.js";
import { t } from "../text/index.js";
import { clientLogin, isFramed } from "../transport/myapps.js";
import { passwordLogin } from "../transport/password.js";

const LOCKED_AFTER = 5;

/** Creates logins for the connection. `element` shows the password form. */
export class Login {
  #element;
  #start;
  #createLogin = isFramed ? clientLogin : null;
  #failures = 0;
  #note = "";
  #busy = false;

  /** `start` connects. */
  constructor(element, start) {
    [this.#element, this.#start] = [element, start];
  }

  /** Returns the login for a challenge. */
  createLogin(challenge) {
    return this.#createLogin(challenge);
  }

  /** Whether a login can be created without the password form. */
  get ready() {
    return this.#createLogin !== null;
  }

  /** Shows the form and focuses the password. */
  show() {
    this.#draw();
    this.#element.querySelector("input")?.focus();
  }

  /** Shows that the gateway rejected the login or that the client returned none. */
  failed(state, error) {
    this.#busy = false;
    if (isFramed) {
      this.#note = state === "refused" ? t("page.login.client-not-taken") : t(error?.message, { detail: error?.detail ?? "" });
    } else {
      this.#failures += 1;
      this.#createLogin = null;
      this.#note = t(this.#failures >= LOCKED_AFTER ? "page.login.locked" : "page.login.wrong");
    }
    this.#draw();
    this.#element.querySelector("input")?.select();
  }

  /** Shows that the gateway is unreachable. The connection retries on its own. */
  showUnreachable() {
    this.#note = t("page.login.unreachable");
    this.#draw();
  }

  /** Removes the form after a successful login. */
  close() {
    [this.#failures, this.#note, this.#busy] = [0, "", false];
    render("", this.#element);
  }

  /** Draws an open form again in the current language. */
  refresh() {
    if (this.#element.childElementCount) this.#draw();
  }

  #submit(event) {
    event.preventDefault();
    const password = event.target.elements.password.value;
    if (!password || this.#busy) return;
    this.#createLogin = passwordLogin(password);
    this.#busy = true;
    this.#draw();
    this.#start();
  }

  #draw() {
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
    render(isFramed ? waiting : form, this.#element);
  }
}
