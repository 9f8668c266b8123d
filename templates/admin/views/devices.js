// The tab `Devices`: all phones of the instance, where each stands, live.

import { html, render } from "../lit/lit-html.js";
import { address } from "../shell/routes.js";
import { reason, t } from "../text/index.js";
import { filters, query, sorted, sorting } from "./devices/filters.js";
import { Grid } from "./devices/grid.js";
import { List } from "./devices/list.js";
import { overview } from "./devices/overview.js";

const TYPING = 150;
/** Where somebody was who comes back from a phone. */
let left = { hash: "", top: 0 };

class Devices {
  #element;
  #app;
  #wish;
  #list;
  #grid;
  #due = 0;
  #typing = 0;

  constructor(element, app, route) {
    [this.#element, this.#app, this.#wish] = [element, app, route.query];
    const draw = () => this.#soon();
    this.#list = new List(app.talk, app.hello.limits.window, query(this.#wish), sorting(this.#wish), draw);
    this.#grid = new Grid(this.#list, {
      open: (row) => app.go(address("devices", row.mac)),
      sort: (sort) => this.#change({ sort: sorted(sort) }),
      draw,
    });
    this.#draw();
    this.#grid.attach(element, left.hash === location.hash ? left.top : 0);
  }

  close() {
    left = { hash: address("devices", this.#wish), top: this.#grid.top };
    cancelAnimationFrame(this.#due);
    clearTimeout(this.#typing);
    this.#list.close();
    this.#grid.close();
  }

  /** Another address of this view: back, forward, a link. */
  go(route) {
    if (address("devices", route.query) === address("devices", this.#wish)) return;
    this.#wish = route.query;
    this.#look();
  }

  #change(part) {
    const { sort } = this.#wish;
    this.#wish = part === null ? (sort ? { sort } : {}) : { ...this.#wish, ...part };
    history.replaceState(null, "", address("devices", this.#wish));
    clearTimeout(this.#typing);
    if (part && "search" in part) this.#typing = setTimeout(() => this.#look(), TYPING);
    else this.#look();
  }

  #look() {
    this.#grid.rewind();
    this.#list.look(query(this.#wish), sorting(this.#wish));
    this.#soon();
  }

  #soon() {
    cancelAnimationFrame(this.#due);
    this.#due = requestAnimationFrame(() => this.#draw());
  }

  #empty() {
    const { total, all, refusal } = this.#list;
    if (refusal) return html`<p class="empty" role="alert">${reason(refusal)}</p>`;
    if (total !== 0) return "";
    return html`<p class="empty">${t(all ? "page.devices.none-found" : "page.devices.none")}</p>`;
  }

  #draw() {
    const { vendors } = this.#app.hello;
    const change = (part) => this.#change(part);
    render(
      html`<h1 class="unseen">${t("page.tab.devices")}</h1>
        ${overview(this.#list.counts, vendors, this.#wish, change)}
        ${filters(this.#wish, this.#list, vendors, change)}
        ${this.#grid.template(sorting(this.#wish))} ${this.#empty()}`,
      this.#element,
    );
    this.#grid.settle();
  }
}

export const view = {
  title: "page.tab.devices",
  open: (element, app, route) => new Devices(element, app, route),
};
