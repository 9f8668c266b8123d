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
      if (state === "open" || state === "closed") this.#turn(state === "open", false);
    });
    document.addEventListener("click", (event) => {
      if (this.#open && !event.target.closest(".menu")) this.#turn(false);
    });
    document.addEventListener("keydown", (event) => {
      if (!this.#open || event.key !== "Escape") return;
      this.#turn(false);
      this.#element.querySelector(".menu > button").focus();
    });
    onLanguage(() => this.show());
  }

  /** What is on the stage. */
  at(route) {
    this.#route = route;
    this.#open = false;
    this.show();
  }

  #turn(open, tell = true) {
    this.#open = open;
    if (tell) myapps.tellMenu(open);
    this.show();
    if (open) this.#element.querySelector(".menu a").focus();
  }

  #link(name, inside) {
    const here = this.#route.tab === name ? "page" : false;
    return html`<a href=${address(name)} aria-current=${here || "false"}>${inside}</a>`;
  }

  show() {
    const instance = this.#app.hello?.instance;
    render(
      html`
        <a class="skip" href="#stage" @click=${(event) => { event.preventDefault(); document.getElementById("stage").focus(); }}>${t("page.skip")}</a>
        <div class="brand"><span class="name">gangway</span><span class="of">${instance ? `${instance.domain} / ${instance.name}` : ""}</span></div>
        <nav class="tabs" aria-label=${t("page.tabs")}>${TABS.map((name) => this.#link(name, t(`page.tab.${name}`)))}</nav>
        <div class="menu">
          <button class="plain" aria-expanded=${this.#open} aria-controls="menu" aria-label=${t("page.menu")} title=${t("page.menu")} @click=${() => this.#turn(!this.#open)}>${icon("menu")}</button>
          <nav id="menu" aria-label=${t("page.menu")} ?hidden=${!this.#open}>${MENU.map((name) => this.#link(name, t(`page.tab.${name}`)))}</nav>
        </div>
      `,
      this.#element,
    );
  }
}
