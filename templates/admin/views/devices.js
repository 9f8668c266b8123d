// The tab `Devices`: all phones of the instance with their state, updated live.

import { html, render } from "../lit/lit-html.js";
import { address } from "../shell/routes.js";
import { errorReason, t } from "../text/index.js";
import { filterBar, queryOf, sortParam, sortOrder } from "./devices/filters.js";
import { Grid } from "./devices/grid.js";
import { List } from "./devices/list.js";
import { overview } from "./devices/overview.js";
import { Setup } from "./devices/setup.js";

const TYPING_PAUSE = 150;
/** The scroll position to restore after the view of a phone. */
let lastPosition = { hash: "", top: 0 };

class Devices {
  #element;
  #app;
  #filters;
  #list;
  #grid;
  #frame = 0;
  #typingTimer = 0;
  #setup = null;

  constructor(element, app, route) {
    [this.#element, this.#app, this.#filters] = [element, app, route.query];
    const draw = () => this.#scheduleDraw();
    this.#list = new List(app.gateway, app.hello.limits.window, queryOf(this.#filters), sortOrder(this.#filters), draw);
    this.#grid = new Grid(this.#list, {
      open: (row) => app.go(address("devices", row.mac)),
      sort: (sort) => this.#change({ sort: sortParam(sort) }),
      draw,
    });
    this.#draw();
    this.#grid.attach(element, lastPosition.hash === location.hash ? lastPosition.top : 0);
  }

  close() {
    lastPosition = { hash: address("devices", this.#filters), top: this.#grid.top };
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#typingTimer);
    this.#list.close();
    this.#grid.close();
  }

  /** Applies another address of this view. */
  go(route) {
    if (address("devices", route.query) === address("devices", this.#filters)) return;
    this.#filters = route.query;
    this.#search();
  }

  #change(part) {
    const { sort } = this.#filters;
    this.#filters = part === null ? (sort ? { sort } : {}) : { ...this.#filters, ...part };
    history.replaceState(null, "", address("devices", this.#filters));
    clearTimeout(this.#typingTimer);
    if (part && "search" in part) this.#typingTimer = setTimeout(() => this.#search(), TYPING_PAUSE);
    else this.#search();
  }

  #search() {
    this.#grid.scrollToTop();
    this.#list.search(queryOf(this.#filters), sortOrder(this.#filters));
    this.#scheduleDraw();
  }

  #scheduleDraw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #empty() {
    const { total, all, error } = this.#list;
    if (error) return html`<p class="empty" role="alert">${errorReason(error)}</p>`;
    if (total !== 0) return "";
    if (all) return html`<p class="empty">${t("page.devices.none-found")}</p>`;
    this.#setup ??= new Setup(this.#app);
    return html`<p class="empty">${t("page.devices.none")}</p>${this.#setup.element}`;
  }

  #draw() {
    const { vendors } = this.#app.hello;
    const change = (part) => this.#change(part);
    render(
      html`<h1 class="unseen">${t("page.tab.devices")}</h1>
        ${overview(this.#list.counts, vendors, this.#filters, change)}
        ${filterBar(this.#filters, this.#list, vendors, change)}
        ${this.#grid.template(sortOrder(this.#filters))} ${this.#empty()}`,
      this.#element,
    );
    this.#grid.restoreScroll();
  }
}

export const view = {
  title: "page.tab.devices",
  open: (element, app, route) => new Devices(element, app, route),
};
