// The phones that match, seen through a window that follows the eye. Rows left behind are kept until they are seen again;
// only those of the window are followed.

const SMALLEST = 60;

/** `changed()` is called whenever something is to be drawn anew. */
export class List {
  total = null;
  all = 0;
  counts = {};
  refusal = null;
  #changed;
  #most;
  #rows = new Map();
  #ids = [];
  #asked = { query: {}, sort: { by: "name" }, offset: 0, count: SMALLEST };
  #window = null;
  #waiting = true;
  #wanted = null;
  #followed;

  constructor(talk, most, query, sort, changed) {
    [this.#changed, this.#most] = [changed, most];
    Object.assign(this.#asked, { query, sort });
    this.#followed = talk.follow(
      "Devices",
      this.#params(),
      (answer) => this.#answered(answer),
      "DevicesChanged",
      (change) => this.#apply(change),
      (refusal) => {
        [this.refusal, this.#waiting] = [refusal, false];
        this.#changed();
      },
    );
  }

  /** Ends it. */
  close() {
    this.#followed.stop();
  }

  /** The row at a place of the list; undefined until it has come. */
  at(index) {
    return this.#rows.get(index);
  }

  /** Looks for something else, from the beginning. */
  look(query, sort) {
    this.#asked = { query, sort, offset: 0, count: this.#asked.count };
    this.#wanted = null;
    this.#ask();
  }

  /** Sees to it that the rows from `first` to before `end` are there and followed. */
  see(first, end) {
    if (this.total === null) return;
    const last = Math.min(end, this.total);
    const { offset, count } = this.#asked;
    if (first >= offset && last <= offset + count) return;
    if (this.#waiting) {
      this.#wanted = [first, end];
      return;
    }
    const height = end - first;
    this.#asked.count = Math.min(this.#most, Math.max(SMALLEST, height * 3));
    this.#asked.offset = Math.max(0, first - Math.floor((this.#asked.count - height) / 2));
    this.#ask();
  }

  #params() {
    return { ...this.#asked, subscribe: true };
  }

  #ask() {
    this.#waiting = true;
    this.#followed.again(this.#params());
  }

  #answered({ phones, offset, total, all, counts }) {
    const { query, sort } = this.#asked;
    const view = JSON.stringify([query, sort]);
    if (view !== this.#window) this.#rows.clear();
    [this.#window, this.refusal, this.#waiting] = [view, null, false];
    Object.assign(this, { total, all, counts });
    this.#enter(offset, phones);
    for (const index of this.#rows.keys()) if (index >= total) this.#rows.delete(index);
    const wanted = this.#wanted;
    this.#wanted = null;
    if (wanted) this.see(...wanted);
    this.#changed();
  }

  #enter(offset, rows) {
    for (let i = rows.length; i < this.#ids.length; i += 1) this.#rows.delete(offset + i);
    this.#ids = rows.map((row) => row.id);
    rows.forEach((row, i) => this.#rows.set(offset + i, row));
  }

  #apply({ phones = [], window, total, all, counts }) {
    if (this.#waiting) return;
    const { offset } = this.#asked;
    const changed = new Map(phones.map((row) => [row.id, row]));
    if (window) {
      const known = new Map(this.#ids.map((id, i) => [id, this.#rows.get(offset + i)]));
      this.#enter(offset, window.map((id) => changed.get(id) ?? known.get(id)).filter(Boolean));
    } else {
      this.#ids.forEach((id, i) => changed.has(id) && this.#rows.set(offset + i, changed.get(id)));
    }
    this.total = total ?? this.total;
    this.all = all ?? this.all;
    this.counts = counts ?? this.counts;
    for (const index of this.#rows.keys()) if (index >= this.total) this.#rows.delete(index);
    this.#changed();
  }
}
