// The head of the page: name, tabs, menu.

import { html, render } from "../lit/lit-html.js";
import { onLanguage, t } from "../text/index.js";
import * as myapps from "../transport/myapps.js";
import { icon } from "./icons.js";
import { address } from "./routes.js";

const TABS = ["devices", "history"];
const MENU = ["settings", "import", "connections", "tokens", "about"];

/** The head. */
export class Head {
  #element;
  #app;
  #open = false;
  #route = { tab: "devices" };

  constructor(element, app) {
    [this.#element, this.#app] = [element, app];
    myapps.on("SetMenuState", (state) => {
      if (state === "open" || state === "closed") this.#setMenuOpen(state === "open", false);
    });
    document.addEventListener("click", (event) => {
      if (this.#open && !event.target.closest(".menu")) this.#setMenuOpen(false);
    });
    document.addEventListener("keydown", (event) => {
      if (!this.#open || event.key !== "Escape") return;
      this.#setMenuOpen(false);
      this.#element.querySelector(".menu > button").focus();
    });
    onLanguage(() => this.show());
  }

  /** Marks the tab of a route as current. */
  setRoute(route) {
    this.#route = route;
    this.#open = false;
    this.show();
  }

  #setMenuOpen(open, notifyClient = true) {
    this.#open = open;
    if (notifyClient) myapps.sendMenuState(open);
    this.show();
    if (open) this.#element.querySelector(".menu a").focus();
  }

  #link(name, content) {
    const current = this.#route.tab === name ? "page" : false;
    return html`<a href=${address(name)} aria-current=${current || "false"}>${content}</a>`;
  }

  show() {
    const instance = this.#app.hello?.instance;
    render(
      html`
        <a class="skip" href="#content" @click=${(event) => { event.preventDefault(); document.getElementById("content").focus(); }}>${t("page.skip")}</a>
        <div class="brand"><span class="name">gangway</span><span class="of">${instance ? `${instance.domain} / ${instance.name}` : ""}</span></div>
        <nav class="tabs" aria-label=${t("page.tabs")}>${TABS.map((name) => this.#link(name, t(`page.tab.${name}`)))}</nav>
        <div class="menu">
          <button class="plain" aria-expanded=${this.#open} aria-controls="menu" aria-label=${t("page.menu")} title=${t("page.menu")} @click=${() => this.#setMenuOpen(!this.#open)}>${icon("menu")}</button>
          <nav id="menu" aria-label=${t("page.menu")} ?hidden=${!this.#open}>${MENU.map((name) => this.#link(name, t(`page.tab.${name}`)))}</nav>
        </div>
      `,
      this.#element,
    );
  }
}
