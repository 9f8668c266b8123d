// The matching phones. The gateway sends changes for a window around the visible rows. Other rows are cached until they
// become visible again.

const MIN_COUNT = 60;

/** Calls `onChange()` when the list has to be drawn again. */
export class List {
  total = null;
  all = 0;
  counts = {};
  error = null;
  #onChange;
  #maxCount;
  #rows = new Map();
  #ids = [];
  #request = { query: {}, sort: { by: "name" }, offset: 0, count: MIN_COUNT };
  #loadedView = null;
  #isLoading = true;
  #nextRange = null;
  #subscription;

  constructor(gateway, maxCount, query, sort, onChange) {
    [this.#onChange, this.#maxCount] = [onChange, maxCount];
    Object.assign(this.#request, { query, sort });
    this.#subscription = gateway.subscribe(
      "Devices",
      this.#params(),
      (answer) => this.#onAnswer(answer),
      "DevicesChanged",
      (change) => this.#apply(change),
      (error) => {
        [this.error, this.#isLoading] = [error, false];
        this.#onChange();
      },
    );
  }

  /** Ends the subscription. */
  close() {
    this.#subscription.stop();
  }

  /** Returns the row at an index; undefined until it is loaded. */
  at(index) {
    return this.#rows.get(index);
  }

  /** Loads the list for another query or order, from the first row. */
  search(query, sort) {
    this.#request = { query, sort, offset: 0, count: this.#request.count };
    this.#nextRange = null;
    this.#load();
  }

  /** Ensures that the rows from `first` to before `end` are loaded and in the window. */
  ensureRows(first, end) {
    if (this.total === null) return;
    const last = Math.min(end, this.total);
    const { offset, count } = this.#request;
    if (first >= offset && last <= offset + count) return;
    if (this.#isLoading) {
      this.#nextRange = [first, end];
      return;
    }
    const height = end - first;
    this.#request.count = Math.min(this.#maxCount, Math.max(MIN_COUNT, height * 3));
    this.#request.offset = Math.max(0, first - Math.floor((this.#request.count - height) / 2));
    this.#load();
  }

  #params() {
    return { ...this.#request, subscribe: true };
  }

  #load() {
    this.#isLoading = true;
    this.#subscription.update(this.#params());
  }

  #onAnswer({ phones, offset, total, all, counts }) {
    const { query, sort } = this.#request;
    const view = JSON.stringify([query, sort]);
    if (view !== this.#loadedView) this.#rows.clear();
    [this.#loadedView, this.error, this.#isLoading] = [view, null, false];
    Object.assign(this, { total, all, counts });
    this.#storeRows(offset, phones);
    for (const index of this.#rows.keys()) if (index >= total) this.#rows.delete(index);
    const nextRange = this.#nextRange;
    this.#nextRange = null;
    if (nextRange) this.ensureRows(...nextRange);
    this.#onChange();
  }

  #storeRows(offset, rows) {
    for (let i = rows.length; i < this.#ids.length; i += 1) this.#rows.delete(offset + i);
    this.#ids = rows.map((row) => row.id);
    rows.forEach((row, i) => this.#rows.set(offset + i, row));
  }

  #apply({ phones = [], window, total, all, counts }) {
    if (this.#isLoading) return;
    const { offset } = this.#request;
    const changed = new Map(phones.map((row) => [row.id, row]));
    if (window) {
      const known = new Map(this.#ids.map((id, i) => [id, this.#rows.get(offset + i)]));
      this.#storeRows(offset, window.map((id) => changed.get(id) ?? known.get(id)).filter(Boolean));
    } else {
      this.#ids.forEach((id, i) => changed.has(id) && this.#rows.set(offset + i, changed.get(id)));
    }
    this.total = total ?? this.total;
    this.all = all ?? this.all;
    this.counts = counts ?? this.counts;
    for (const index of this.#rows.keys()) if (index >= this.total) this.#rows.delete(index);
    this.#onChange();
  }
}
