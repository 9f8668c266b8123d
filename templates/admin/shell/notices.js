// The banner: the lost connection and the gateway's notices.

import { html, render } from "../lit/lit-html.js";
import { count, moment, t, translate } from "../text/index.js";
import { errorText } from "../views/parts/message.js";
import { icon } from "./icons.js";

const ORDER = ["error", "warning", "information"];
/** Number of notices that are always visible. A button shows the others. */
const VISIBLE = 2;

/** Returns the frozen address that a notice is about, or undefined. */
function frozenAddress({ key, text }) {
  return key === "scanning" ? text.params?.address : undefined;
}

/** The banner below the head. */
export class Notices {
  #element;
  #retry;
  #notices = [];
  #lostSince = null;
  #isExpanded = false;
  #app;

  constructor(element, retry, app) {
    [this.#element, this.#retry, this.#app] = [element, retry, app];
  }

  /** Subscribes to the gateway's notices. */
  subscribe(gateway) {
    gateway.subscribe("Notices", {}, ({ notices }) => this.#set(notices), "NoticesChanged", ({ notices }) => this.#set(notices));
  }

  /** Sets when the connection was lost (`Date`), or null while connected. */
  setLostSince(since) {
    this.#lostSince = since;
    this.show();
  }

  #set(notices) {
    this.#notices = notices.toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
    this.show();
  }

  show() {
    const visible = this.#isExpanded ? this.#notices : this.#notices.slice(0, VISIBLE);
    const hiddenCount = this.#notices.length - VISIBLE;
    render(
      html`
        ${this.#lostSince &&
        html`<div class="notice is-error" role="alert">
          ${icon("error")}
          <p>${t("page.connection.lost-since", { since: this.#lostSince.toISOString() })}</p>
          <button @click=${this.#retry}>${t("page.connection.retry")}</button>
        </div>`}
        ${visible.map(
          (notice) => html`<div class="notice is-${notice.severity}" data-key=${notice.key}>
            ${icon(notice.severity)}
            <p>
              <b>${t(`page.severity.${notice.severity}`)}</b> ${translate(notice.text)}
              ${notice.since ? html`<span class="since">${t("page.since", { since: moment(notice.since) })}</span>` : ""}
            </p>
            ${frozenAddress(notice)
              ? html`<button data-act="thaw" @click=${() => this.#thaw(frozenAddress(notice))}>${t("page.notices.thaw")}</button>`
              : ""}
          </div>`,
        )}
        ${hiddenCount > 0
          ? html`<button class="more-notices" aria-expanded=${this.#isExpanded} @click=${() => this.#toggle()}>
              ${this.#isExpanded ? t("page.notices.fewer") : count("page.notices.more", hiddenCount)}
            </button>`
          : ""}
      `,
      this.#element,
    );
  }

  async #thaw(address) {
    try {
      await this.#app.gateway.request("Thaw", { address });
    } catch (error) {
      this.#app.notify(errorText(this.#app, error));
    }
  }

  #toggle() {
    this.#isExpanded = !this.#isExpanded;
    this.show();
  }
}
