// Shows one view at a time and hands routes to it.

import { html, render } from "../lit/lit-html.js";
import { t } from "../text/index.js";
import { load, read } from "./routes.js";

/** `shown(route, title)` hears what is on the stage. */
export class RouterOutlet {
  #element;
  #app;
  #shown;
  #name = null;
  #open = null;
  #wanted = 0;

  constructor(element, app, shown) {
    [this.#element, this.#app, this.#shown] = [element, app, shown];
    window.addEventListener("hashchange", () => this.show());
  }

  /** Fetches the view that the address names, while somebody still logs in. What fails is said when it is shown. */
  prepare() {
    load(read(location.hash).view).catch(() => {});
  }

  /** Shows what the address names. */
  async show() {
    const route = read(location.hash);
    const turn = (this.#wanted += 1);
    if (this.#open && route.view === this.#name && this.#open.go) {
      this.#open.go(route);
      this.#shown(route, this.#title);
      return;
    }
    let view;
    try {
      view = await load(route.view);
    } catch (error) {
      if (turn !== this.#wanted) return;
      this.#clear();
      const place = document.createElement("div");
      this.#element.replaceChildren(place);
      render(html`<p class="empty">${t("page.view-failed")} <code>${String(error)}</code></p>`, place);
      return;
    }
    if (turn !== this.#wanted) return;
    this.#clear();
    const place = document.createElement("div");
    place.className = `view view-${route.view}`;
    this.#element.replaceChildren(place);
    this.#name = route.view;
    this.#view = view;
    this.#open = view.open(place, this.#app, route);
    this.#shown(route, this.#title);
  }

  #view = null;
  get #title() {
    const { title } = this.#view;
    return typeof title === "function" ? title() : t(title);
  }

  /** Opens the view anew: another language, another gateway. */
  again() {
    this.#clear();
    return this.show();
  }

  #clear() {
    this.#open?.close?.();
    this.#open = null;
    this.#name = null;
    this.#element.replaceChildren();
  }
}
