// Line keys as a table: what there can be comes from the gateway, and so does what is wrong with each row.

import { html, nothing } from "../../lit/lit-html.js";
import { said, word } from "../parts/message.js";

const PAUSE = 250;
const COLUMNS = ["key", "type", "value", "label", "account", "pickup"];

/** The rows of a value; none where it is no list. */
export function rowsOf(value) {
  try {
    const rows = JSON.parse(value || "[]");
    return Array.isArray(rows) ? rows.filter((row) => row && typeof row === "object") : [];
  } catch {
    return [];
  }
}

/** Keeps what the gateway says of the list that is being edited; `changed()` has it drawn. */
export class KeyCheck {
  constructor(app, scope, changed) {
    Object.assign(this, { app, scope, changed, told: null, of: null, asked: null, due: 0, turn: 0 });
  }

  /** Asks about a list, a moment after the last change. */
  look(value) {
    if (value === this.asked) return;
    this.asked = value;
    clearTimeout(this.due);
    this.due = setTimeout(() => this.ask(value), this.told ? PAUSE : 0);
  }

  async ask(value) {
    const turn = ++this.turn;
    try {
      const told = await this.app.talk.ask("LineKeys", { scope: this.scope, value });
      if (turn !== this.turn) return;
      [this.told, this.of] = [told, value];
      this.changed();
    } catch {
      // Saving says what is wrong.
      this.asked = null;
    }
  }

  /** How many rows have a fault; none while nobody knows of the list as it is now: then saving tells. */
  get faults() {
    return this.of === this.asked ? (this.told?.rows.length ?? 0) : 0;
  }

  close() {
    clearTimeout(this.due);
    this.turn += 1;
  }
}

const without = (rows, at) => rows.filter((_, place) => place !== at);

/** What is kept of a row: nothing empty. */
function tidy(row) {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== "" && value !== null && value !== undefined));
}

/** The number of a row: as typed, else the one behind the row before. */
function numberOf(rows, at) {
  return Number(rows[at]?.key) || (at > 0 ? numberOf(rows, at - 1) + 1 : 1);
}

/** The table. `set(text)` is told the list as JSON. */
export function keyTable(app, setting, value, check, set, described) {
  const inherited = value === null;
  // What would hold without a list of its own is not known before it is taken back.
  const list = inherited ? (setting.set ? "" : setting.effective) : value;
  const rows = rowsOf(list);
  const told = check.told;
  check.look(list);
  const write = (next, focus) => {
    set(next.length || setting.set || setting.effective ? JSON.stringify(next.map(tidy)) : "");
    if (focus) document.querySelector(focus)?.focus();
  };
  const change = (at, name) => (event) => {
    const typed = event.target.value;
    const number = (name === "key" || name === "account") && /^\d+$/.test(typed) ? Number(typed) : typed;
    write(rows.map((row, place) => (place === at ? { ...row, [name]: number } : row)));
  };
  // Keys that change places change their numbers: the list is one of keys, not of rows.
  const move = (at, to) => {
    const next = [...rows];
    [next[at], next[to]] = [{ ...rows[to], key: numberOf(rows, at) }, { ...rows[at], key: numberOf(rows, to) }];
    const way = to < at ? "up" : "down";
    const ends = to === 0 || to === rows.length - 1;
    write(next, `[data-keys="${setting.name}"] [data-row="${to}"] [data-do=${ends ? (way === "up" ? "down" : "up") : way}]`);
  };
  const add = () => {
    const key = rows.length ? numberOf(rows, rows.length - 1) + 1 : 1;
    write([...rows, { key, type: told?.types[0]?.word ?? "line" }], `[data-keys="${setting.name}"] [data-row="${rows.length}"] [data-column=type]`);
  };
  const remove = (at) => {
    const near = rows.length > 1 ? `[data-row="${Math.min(at, rows.length - 2)}"] [data-do=remove]` : "[data-do=add]";
    write(without(rows, at), `[data-keys="${setting.name}"] ${near}`);
  };
  const fault = (at) => told?.rows.find((one) => one.row === at + 1);
  const types = told?.types ?? [];
  const cell = (row, at, name) => {
    const label = app.t("keys.cell", { column: app.t(`keys.column.${name}`), row: at + 1 });
    const wrong = fault(at) ? `fault-${setting.name}-${at}` : nothing;
    const need = types.find((one) => one.word === row.type)?.value;
    if (name === "type") {
      const known = types.some((one) => one.word === row.type) || !row.type ? types : [...types, { word: row.type }];
      return html`<select data-column="type" aria-label=${label} aria-describedby=${wrong} aria-invalid=${wrong !== nothing} @change=${change(at, name)}>
        ${known.map((one) => html`<option value=${one.word} ?selected=${one.word === row.type}>${word(app, `keys.type.${one.word}`, one.word)}</option>`)}</select>`;
    }
    const off = (name === "value" && need === "never" && !row.value) || (name === "pickup" && row.type !== "blf" && !row.pickup);
    const number = name === "key" || name === "account";
    return html`<input data-column=${name} type=${number ? "number" : "text"} min=${number ? 1 : nothing} max=${number ? (name === "key" ? (told?.keys ?? told?.most ?? nothing) : (told?.accounts ?? nothing)) : nothing}
      aria-label=${label} aria-describedby=${wrong} aria-invalid=${wrong !== nothing} ?disabled=${off} autocomplete="off" spellcheck="false"
      .value=${String(row[name] ?? (name === "key" ? numberOf(rows, at) : name === "account" ? 1 : ""))} @change=${change(at, name)}>`;
  };
  const button = (name, row, off, press) =>
    html`<button type="button" class="small" data-do=${name} ?disabled=${off} aria-label=${app.t(`keys.${name}.of`, { row })} title=${app.t(`keys.${name}.of`, { row })} @click=${press}>${{ up: "↑", down: "↓", remove: "✕" }[name]}</button>`;
  return html`<fieldset class="keys" id="setting-${setting.name}" name=${setting.name} tabindex="-1" data-keys=${setting.name} aria-labelledby="label-${setting.name}" aria-describedby=${described}>
    <p class="hint">${told?.keys !== null && told?.keys !== undefined ? app.t("keys.room", { model: told.model, keys: told.keys }) : app.t("keys.room.unknown")}
      ${inherited && rows.length ? app.t("keys.inherited") : nothing}</p>
    ${rows.length
      ? html`<div class="scrolled" tabindex="0" role="region" aria-labelledby="label-${setting.name}"><table class="plain-table">
          <thead><tr>${COLUMNS.map((name) => html`<th scope="col">${app.t(`keys.column.${name}`)}</th>`)}<td></td></tr></thead>
          <tbody>${rows.map((row, at) => html`<tr data-row=${at} class=${fault(at) ? "wrong" : ""}>
              ${COLUMNS.map((name) => html`<td>${cell(row, at, name)}</td>`)}
              <td class="does">${button("up", at + 1, at === 0, () => move(at, at - 1))} ${button("down", at + 1, at === rows.length - 1, () => move(at, at + 1))} ${button("remove", at + 1, false, () => remove(at))}</td></tr>
            ${fault(at) ? html`<tr class="fault"><td colspan=${COLUMNS.length + 1}><p class="error" id="fault-${setting.name}-${at}" role="alert" lang="en">${said(app, fault(at).text)}</p></td></tr>` : nothing}`)}</tbody>
        </table></div>`
      : html`<p class="hint">${app.t("keys.none")}</p>`}
    <p><button type="button" data-do="add" ?disabled=${rows.length >= (told?.most ?? 400)} @click=${add}>${app.t("keys.add")}</button></p>
  </fieldset>`;
}
