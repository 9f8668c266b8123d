// Shows the view of the current route.

import { html, render } from "../lit/lit-html.js";
import { t } from "../text/index.js";
import { loadView, parseRoute } from "./routes.js";

/** Calls `onShown(route, title)` after each change of the route. */
export class RouterOutlet {
  #element;
  #app;
  #onShown;
  #name = null;
  #current = null;
  #generation = 0;

  constructor(element, app, onShown) {
    [this.#element, this.#app, this.#onShown] = [element, app, onShown];
    window.addEventListener("hashchange", () => this.show());
  }

  /** Loads the view of the address while the login is in progress. `show` reports a failure. */
  preload() {
    loadView(parseRoute(location.hash).view).catch(() => {});
  }

  /** Shows the view of the address. */
  async show() {
    const route = parseRoute(location.hash);
    const generation = (this.#generation += 1);
    if (this.#current && route.view === this.#name && this.#current.go) {
      this.#current.go(route);
      this.#onShown(route, this.#title);
      return;
    }
    let view;
    try {
      view = await loadView(route.view);
    } catch (error) {
      if (generation !== this.#generation) return;
      this.#clear();
      const container = document.createElement("div");
      this.#element.replaceChildren(container);
      render(html`<p class="empty">${t("page.view-failed")} <code>${String(error)}</code></p>`, container);
      return;
    }
    if (generation !== this.#generation) return;
    this.#clear();
    const container = document.createElement("div");
    container.className = `view view-${route.view}`;
    this.#element.replaceChildren(container);
    this.#name = route.view;
    this.#view = view;
    this.#current = view.open(container, this.#app, route);
    this.#onShown(route, this.#title);
  }

  #view = null;
  get #title() {
    const { title } = this.#view;
    return typeof title === "function" ? title() : t(title);
  }

  /** Opens the view again, because the language has changed. */
  reopen() {
    this.#clear();
    return this.show();
  }

  #clear() {
    this.#current?.close?.();
    this.#current = null;
    this.#name = null;
    this.#element.replaceChildren();
  }
}
