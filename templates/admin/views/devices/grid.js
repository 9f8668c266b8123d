// The table of phones. Only visible rows are in the document. The arrow keys move a cursor; Enter opens its phone.

import { html, nothing } from "../../lit/lit-html.js";
import { repeat } from "../../lit/directives/repeat.js";
import { icon } from "../../shell/icons.js";
import { t } from "../../text/index.js";
import { COLUMNS } from "./columns.js";

/** Rows drawn above and below the visible ones. */
const MARGIN = 8;

/** Calls `open(row)` and `sort({by, descending})` for clicks and keys, and `draw()` when the table has to be drawn. */
export class Grid {
  #list;
  #open;
  #sort;
  #draw;
  #scroller = null;
  #cursor = -1;
  #height = 30;
  #observer = new ResizeObserver(() => this.#draw());

  constructor(list, { open, sort, draw }) {
    [this.#list, this.#open, this.#sort, this.#draw] = [list, open, sort, draw];
  }

  /** Attaches the grid to its element after the first draw. `top` is the scroll position to restore. */
  attach(element, top = 0) {
    this.#scroller = element.querySelector(".grid");
    this.#observer.observe(this.#scroller);
    this.#savedTop = top;
  }
  #savedTop = 0;

  /** The scroll position in pixels. */
  get top() {
    return this.#scroller?.scrollTop ?? 0;
  }

  close() {
    this.#observer.disconnect();
  }

  /** Scrolls to the first row. */
  scrollToTop() {
    this.#cursor = -1;
    if (this.#scroller) this.#scroller.scrollTop = 0;
  }

  /** Returns the template of the table. */
  template(sort) {
    const total = this.#list.total ?? 0;
    const [first, end] = this.#range(total);
    this.#list.ensureRows(first, Math.max(first + 1, end));
    const indices = Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
    return html`
      <div class="grid" role="grid" tabindex="0" aria-label=${t("page.tab.devices")} aria-rowcount=${total + 1}
        aria-colcount=${COLUMNS.length} aria-busy=${this.#list.total === null}
        aria-activedescendant=${this.#cursor >= first && this.#cursor < end ? `row-${this.#cursor}` : nothing}
        @scroll=${() => this.#draw()} @keydown=${(event) => this.#onKey(event)}>
        <div class="heads" role="row" aria-rowindex="1">${COLUMNS.map((column) => this.#head(column, sort))}</div>
        <div class="rows" role="rowgroup" .style=${`height:${total * this.#height}px`}>
          ${repeat(indices, (index) => index, (index) => this.#row(index))}
        </div>
      </div>`;
  }

  /** Restores the scroll position after the first draw with rows. */
  restoreScroll() {
    if (!this.#savedTop || this.#list.total === null) return;
    this.#scroller.scrollTop = this.#savedTop;
    this.#savedTop = 0;
  }

  #range(total) {
    if (!this.#scroller) return [0, 0];
    const height = parseFloat(getComputedStyle(this.#scroller).getPropertyValue("--row"));
    if (height) this.#height = height;
    const first = Math.floor(this.#scroller.scrollTop / this.#height) - MARGIN;
    const visible = Math.ceil(this.#scroller.clientHeight / this.#height) + 2 * MARGIN;
    return [Math.max(0, first), Math.min(total, Math.max(0, first) + visible)];
  }

  #head({ name, by, descends = false }, sort) {
    const isSorted = by !== null && sort.by === by;
    const order = isSorted ? (sort.descending ? "descending" : "ascending") : "none";
    const sortByColumn = () => this.#sort({ by, descending: isSorted ? !sort.descending : descends });
    return html`<div class="col-${name}" role="columnheader" aria-sort=${by ? order : nothing}>
      ${by
        ? html`<button class="plain" @click=${sortByColumn}>${t(`page.column.${name}`)}${isSorted ? icon(sort.descending ? "down" : "up") : ""}</button>`
        : html`<span>${t(`page.column.${name}`)}</span>`}
    </div>`;
  }

  #row(index) {
    const row = this.#list.at(index);
    const style = `transform:translateY(${index * this.#height}px)`;
    const cursor = index === this.#cursor ? "cursor" : "";
    if (!row) {
      return html`<div class="row coming ${cursor}" role="row" id="row-${index}" aria-rowindex=${index + 2} .style=${style}><div class="col-user" role="gridcell">…</div></div>`;
    }
    return html`<div class="row is-${row.stage} ${row.removed ? "removed" : ""} ${cursor}" role="row" id="row-${index}" data-mac=${row.mac}
      aria-rowindex=${index + 2} .style=${style} @click=${(event) => this.#onClick(event, row, index)}>
      ${COLUMNS.map(({ name, cell }) => html`<div class="col-${name}" role="gridcell">${cell(row)}</div>`)}
    </div>`;
  }

  #onClick(event, row, index) {
    this.#cursor = index;
    // Links keep the browser's behaviour, and selecting text does not open the phone.
    if (event.target.closest("a") || !getSelection().isCollapsed) return;
    this.#open(row);
  }

  #onKey(event) {
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
