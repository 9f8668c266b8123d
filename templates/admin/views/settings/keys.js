// Line keys as a table. The possible types and the faults of each row come from the gateway.

import { html, nothing } from "../../lit/lit-html.js";
import { messageText, labelOr } from "../parts/message.js";

const PAUSE = 250;
const COLUMNS = ["key", "type", "value", "label", "account", "pickup"];

/** Parses a value into rows; an invalid value has none. */
export function parseRows(value) {
  try {
    const rows = JSON.parse(value || "[]");
    return Array.isArray(rows) ? rows.filter((row) => row && typeof row === "object") : [];
  } catch {
    return [];
  }
}

/** The gateway's check of the edited list. Calls `changed()` when an answer has arrived. */
export class KeyCheck {
  constructor(app, scope, changed) {
    Object.assign(this, { app, scope, changed, answer: null, checkedValue: null, requestedValue: null, timer: 0, generation: 0 });
  }

  /** Checks a list shortly after the last change. */
  check(value) {
    if (value === this.requestedValue) return;
    this.requestedValue = value;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.request(value), this.answer ? PAUSE : 0);
  }

  async request(value) {
    const generation = ++this.generation;
    try {
      const answer = await this.app.gateway.request("LineKeys", { scope: this.scope, value });
      if (generation !== this.generation) return;
      [this.answer, this.checkedValue] = [answer, value];
      this.changed();
    } catch {
      // Saving reports the fault.
      this.requestedValue = null;
    }
  }

  /** The number of faulty rows; 0 while the current list is unchecked, since saving reports its faults. */
  get faults() {
    return this.checkedValue === this.requestedValue ? (this.answer?.rows.length ?? 0) : 0;
  }

  close() {
    clearTimeout(this.timer);
    this.generation += 1;
  }
}

const withoutRow = (rows, at) => rows.filter((_, place) => place !== at);

/** Removes the empty fields of a row. */
function withoutEmpty(row) {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== "" && value !== null && value !== undefined));
}

/** The number of a row: its own, else the one after the previous row's. */
function numberOf(rows, at) {
  return Number(rows[at]?.key) || (at > 0 ? numberOf(rows, at - 1) + 1 : 1);
}

/** The table. Calls `set(text)` with the list as JSON. */
export function keyTable(app, setting, value, check, set, described) {
  const inherited = value === null;
  // The inherited list is unknown until the own list is reset.
  const list = inherited ? (setting.set ? "" : setting.effective) : value;
  const rows = parseRows(list);
  const answer = check.answer;
  check.check(list);
  const write = (next, focus) => {
    set(next.length || setting.set || setting.effective ? JSON.stringify(next.map(withoutEmpty)) : "");
    if (focus) document.querySelector(focus)?.focus();
  };
  const change = (at, name) => (event) => {
    const typed = event.target.value;
    const number = (name === "key" || name === "account") && /^\d+$/.test(typed) ? Number(typed) : typed;
    write(rows.map((row, place) => (place === at ? { ...row, [name]: number } : row)));
  };
  // Moved rows swap their key numbers, because the number belongs to the position.
  const move = (at, to) => {
    const next = [...rows];
    [next[at], next[to]] = [{ ...rows[to], key: numberOf(rows, at) }, { ...rows[at], key: numberOf(rows, to) }];
    const way = to < at ? "up" : "down";
    const ends = to === 0 || to === rows.length - 1;
    write(next, `[data-keys="${setting.name}"] [data-row="${to}"] [data-do=${ends ? (way === "up" ? "down" : "up") : way}]`);
  };
  const add = () => {
    const key = rows.length ? numberOf(rows, rows.length - 1) + 1 : 1;
    write([...rows, { key, type: answer?.types[0]?.word ?? "line" }], `[data-keys="${setting.name}"] [data-row="${rows.length}"] [data-column=type]`);
  };
  const remove = (at) => {
    const near = rows.length > 1 ? `[data-row="${Math.min(at, rows.length - 2)}"] [data-do=remove]` : "[data-do=add]";
    write(withoutRow(rows, at), `[data-keys="${setting.name}"] ${near}`);
  };
  const faultOf = (at) => answer?.rows.find((one) => one.row === at + 1);
  const types = answer?.types ?? [];
  const cell = (row, at, name) => {
    const label = app.t("keys.cell", { column: app.t(`keys.column.${name}`), row: at + 1 });
    const faultId = faultOf(at) ? `fault-${setting.name}-${at}` : nothing;
    const valueRule = types.find((one) => one.word === row.type)?.value;
    if (name === "type") {
      const known = types.some((one) => one.word === row.type) || !row.type ? types : [...types, { word: row.type }];
      return html`<select data-column="type" aria-label=${label} aria-describedby=${faultId} aria-invalid=${faultId !== nothing} @change=${change(at, name)}>
        ${known.map((one) => html`<option value=${one.word} ?selected=${one.word === row.type}>${labelOr(app, `keys.type.${one.word}`, one.word)}</option>`)}</select>`;
    }
    const isDisabled = (name === "value" && valueRule === "never" && !row.value) || (name === "pickup" && row.type !== "blf" && !row.pickup);
    const number = name === "key" || name === "account";
    return html`<input data-column=${name} type=${number ? "number" : "text"} min=${number ? 1 : nothing} max=${number ? (name === "key" ? (answer?.keys ?? answer?.most ?? nothing) : (answer?.accounts ?? nothing)) : nothing}
      aria-label=${label} aria-describedby=${faultId} aria-invalid=${faultId !== nothing} ?disabled=${isDisabled} autocomplete="off" spellcheck="false"
      .value=${String(row[name] ?? (name === "key" ? numberOf(rows, at) : name === "account" ? 1 : ""))} @change=${change(at, name)}>`;
  };
  const button = (name, row, isDisabled, press) =>
    html`<button type="button" class="small" data-do=${name} ?disabled=${isDisabled} aria-label=${app.t(`keys.${name}.of`, { row })} title=${app.t(`keys.${name}.of`, { row })} @click=${press}>${{ up: "↑", down: "↓", remove: "✕" }[name]}</button>`;
  return html`<fieldset class="keys" id="setting-${setting.name}" name=${setting.name} tabindex="-1" data-keys=${setting.name} aria-labelledby="label-${setting.name}" aria-describedby=${described}>
    <p class="hint">${answer?.keys !== null && answer?.keys !== undefined ? app.t("keys.room", { model: answer.model, keys: answer.keys }) : app.t("keys.room.unknown")}
      ${inherited && rows.length ? app.t("keys.inherited") : nothing}</p>
    ${rows.length
      ? html`<div class="scrolled" tabindex="0" role="region" aria-labelledby="label-${setting.name}"><table class="plain-table">
          <thead><tr>${COLUMNS.map((name) => html`<th scope="col">${app.t(`keys.column.${name}`)}</th>`)}<td></td></tr></thead>
          <tbody>${rows.map((row, at) => html`<tr data-row=${at} class=${faultOf(at) ? "wrong" : ""}>
              ${COLUMNS.map((name) => html`<td>${cell(row, at, name)}</td>`)}
              <td class="does">${button("up", at + 1, at === 0, () => move(at, at - 1))} ${button("down", at + 1, at === rows.length - 1, () => move(at, at + 1))} ${button("remove", at + 1, false, () => remove(at))}</td></tr>
            ${faultOf(at) ? html`<tr class="fault"><td colspan=${COLUMNS.length + 1}><p class="error" id="fault-${setting.name}-${at}" role="alert" lang="en">${messageText(app, faultOf(at).text)}</p></td></tr>` : nothing}`)}</tbody>
        </table></div>`
      : html`<p class="hint">${app.t("keys.none")}</p>`}
    <p><button type="button" data-do="add" ?disabled=${rows.length >= (answer?.most ?? 400)} @click=${add}>${app.t("keys.add")}</button></p>
  </fieldset>`;
}
