// What an administrator should know before anything else: the lost connection, and the gateway's own notices.

import { html, render } from "../lit/lit-html.js";
import { count, moment, t, told } from "../text/index.js";
import { refused } from "../views/parts/message.js";
import { icon } from "./icons.js";

const ORDER = ["error", "warning", "information"];
/** Notices that stand open; more are behind a button. */
const OPEN = 2;

/** The address of a frozen source, or undefined. */
function thawable({ key, text }) {
  return key === "scanning" ? text.params?.address : undefined;
}

/** The banner below the head. */
export class Notices {
  #element;
  #retry;
  #notices = [];
  #lost = null;
  #all = false;
  #app;

  constructor(element, retry, app) {
    [this.#element, this.#retry, this.#app] = [element, retry, app];
  }

  /** Follows the gateway's notices. */
  follow(talk) {
    talk.follow("Notices", {}, ({ notices }) => this.#set(notices), "NoticesChanged", ({ notices }) => this.#set(notices));
  }

  /** Since when there is no connection (`Date`), or null. */
  lost(since) {
    this.#lost = since;
    this.show();
  }

  #set(notices) {
    this.#notices = notices.toSorted((a, b) => ORDER.indexOf(a.severity) - ORDER.indexOf(b.severity));
    this.show();
  }

  show() {
    const shown = this.#all ? this.#notices : this.#notices.slice(0, OPEN);
    const more = this.#notices.length - OPEN;
    render(
      html`
        ${this.#lost &&
        html`<div class="notice is-error" role="alert">
          ${icon("error")}
          <p>${t("page.connection.lost-since", { since: this.#lost.toISOString() })}</p>
          <button @click=${this.#retry}>${t("page.connection.retry")}</button>
        </div>`}
        ${shown.map(
          (notice) => html`<div class="notice is-${notice.severity}" data-key=${notice.key}>
            ${icon(notice.severity)}
            <p>
              <b>${t(`page.severity.${notice.severity}`)}</b> ${told(notice.text)}
              ${notice.since ? html`<span class="since">${t("page.since", { since: moment(notice.since) })}</span>` : ""}
            </p>
            ${thawable(notice)
              ? html`<button data-act="thaw" @click=${() => this.#thaw(thawable(notice))}>${t("page.notices.thaw")}</button>`
              : ""}
          </div>`,
        )}
        ${more > 0
          ? html`<button class="more-notices" aria-expanded=${this.#all} @click=${() => this.#turn()}>
              ${this.#all ? t("page.notices.fewer") : count("page.notices.more", more)}
            </button>`
          : ""}
      `,
      this.#element,
    );
  }

  async #thaw(address) {
    try {
      await this.#app.talk.ask("Thaw", { address });
    } catch (error) {
      this.#app.say(refused(this.#app, error));
    }
  }

  #turn() {
    this.#all = !this.#all;
    this.show();
  }
}
