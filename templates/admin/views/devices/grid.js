// The table itself: only rows in view are in the document. The keyboard moves a cursor; Enter opens.

import { html, nothing } from "../../lit/lit-html.js";
import { repeat } from "../../lit/directives/repeat.js";
import { icon } from "../../shell/icons.js";
import { t } from "../../text/index.js";
import { COLUMNS } from "./columns.js";

/** Rows drawn above and below what is seen. */
const MARGIN = 8;

/** `open(row)` and `sort({by, descending})` are what people ask for by it; `draw()` has it drawn. */
export class Grid {
  #list;
  #open;
  #sort;
  #draw;
  #scroller = null;
  #cursor = -1;
  #height = 30;
  #watch = new ResizeObserver(() => this.#draw());

  constructor(list, { open, sort, draw }) {
    [this.#list, this.#open, this.#sort, this.#draw] = [list, open, sort, draw];
  }

  /** Finds its element after the first drawing. */
  attach(element, top = 0) {
    this.#scroller = element.querySelector(".grid");
    this.#watch.observe(this.#scroller);
    this.#restore = top;
  }
  #restore = 0;

  /** How far it is scrolled. */
  get top() {
    return this.#scroller?.scrollTop ?? 0;
  }

  close() {
    this.#watch.disconnect();
  }

  /** Back to the first row. */
  rewind() {
    this.#cursor = -1;
    if (this.#scroller) this.#scroller.scrollTop = 0;
  }

  /** The table as it is now. */
  template(sort) {
    const total = this.#list.total ?? 0;
    const [first, end] = this.#range(total);
    this.#list.see(first, Math.max(first + 1, end));
    const indices = Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
    return html`
      <div class="grid" role="grid" tabindex="0" aria-label=${t("page.tab.devices")} aria-rowcount=${total + 1}
        aria-colcount=${COLUMNS.length} aria-busy=${this.#list.total === null}
        aria-activedescendant=${this.#cursor >= first && this.#cursor < end ? `row-${this.#cursor}` : nothing}
        @scroll=${() => this.#draw()} @keydown=${(event) => this.#key(event)}>
        <div class="heads" role="row" aria-rowindex="1">${COLUMNS.map((column) => this.#head(column, sort))}</div>
        <div class="rows" role="rowgroup" .style=${`height:${total * this.#height}px`}>
          ${repeat(indices, (index) => index, (index) => this.#row(index))}
        </div>
      </div>`;
  }

  /** After drawing: a place to go back to, once there are rows to scroll over. */
  settle() {
    if (!this.#restore || this.#list.total === null) return;
    this.#scroller.scrollTop = this.#restore;
    this.#restore = 0;
  }

  #range(total) {
    if (!this.#scroller) return [0, 0];
    const height = parseFloat(getComputedStyle(this.#scroller).getPropertyValue("--row"));
    if (height) this.#height = height;
    const first = Math.floor(this.#scroller.scrollTop / this.#height) - MARGIN;
    const seen = Math.ceil(this.#scroller.clientHeight / this.#height) + 2 * MARGIN;
    return [Math.max(0, first), Math.min(total, Math.max(0, first) + seen)];
  }

  #head({ name, by, descends = false }, sort) {
    const here = by !== null && sort.by === by;
    const order = here ? (sort.descending ? "descending" : "ascending") : "none";
    const turn = () => this.#sort({ by, descending: here ? !sort.descending : descends });
    return html`<div class="col-${name}" role="columnheader" aria-sort=${by ? order : nothing}>
      ${by
        ? html`<button class="plain" @click=${turn}>${t(`page.column.${name}`)}${here ? icon(sort.descending ? "down" : "up") : ""}</button>`
        : html`<span>${t(`page.column.${name}`)}</span>`}
    </div>`;
  }

  #row(index) {
    const row = this.#list.at(index);
    const place = `transform:translateY(${index * this.#height}px)`;
    const cursor = index === this.#cursor ? "cursor" : "";
    if (!row) {
      return html`<div class="row coming ${cursor}" role="row" id="row-${index}" aria-rowindex=${index + 2} .style=${place}><div class="col-user" role="gridcell">…</div></div>`;
    }
    return html`<div class="row is-${row.stage} ${row.removed ? "removed" : ""} ${cursor}" role="row" id="row-${index}" data-mac=${row.mac}
      aria-rowindex=${index + 2} .style=${place} @click=${(event) => this.#click(event, row, index)}>
      ${COLUMNS.map(({ name, cell }) => html`<div class="col-${name}" role="gridcell">${cell(row)}</div>`)}
    </div>`;
  }

  #click(event, row, index) {
    this.#cursor = index;
    // A link keeps what browsers do with links, and marked text is not a click.
    if (event.target.closest("a") || !getSelection().isCollapsed) return;
    this.#open(row);
  }

  #key(event) {
    if (event.target !== this.#scroller || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / this.#height) - 2);
    const last = (this.#list.total ?? 0) - 1;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key === "Enter") {
      const row = this.#list.at(this.#cursor);
      if (row) this.#open(row);
      return;
    }
    const step = steps[event.key];
    if (step === undefined || last < 0) return;
    event.preventDefault();
    this.#cursor = Math.min(last, Math.max(0, this.#cursor + step));
    const top = this.#cursor * this.#height;
    const room = this.#scroller.clientHeight - this.#scroller.querySelector(".heads").offsetHeight;
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    else if (top + this.#height > this.#scroller.scrollTop + room) this.#scroller.scrollTop = top + this.#height - room;
    this.#draw();
  }
}
