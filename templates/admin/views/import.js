// Phones brought aboard from here: one, or a file of many. A file is checked while it is pasted; nothing happens before
// somebody says so, and the same file twice changes nothing.

import { html, render, nothing } from "../lit/lit-html.js";
import { errors, progress } from "./import/progress.js";
import { check, readable, table } from "./import/upload.js";
import { label } from "./parts/category.js";
import { digits } from "./parts/mac.js";
import { question } from "./parts/dialog.js";
import { refused, said } from "./parts/message.js";

const COLUMNS = ["mac", "user", "name", "vendor", "password", "hwid", "pbx", "domain", "category"];
const SHOWN = 4_000;

class Import {
  constructor(element, app) {
    Object.assign(this, {
      element,
      app,
      kind: "one",
      one: Object.fromEntries(COLUMNS.map((name) => [name, ""])),
      bytes: null,
      text: "",
      file: null,
      sent: 0,
      checked: null,
      checking: false,
      error: null,
      state: null,
      categories: [],
      category: "",
      rollout: false,
      turn: 0,
    });
    this.following = app.talk.follow(
      "ImportState",
      {},
      (told) => this.moved(told),
      "ImportProgress",
      (told) => this.moved(told),
    );
    app.talk.ask("Categories", {}).then(
      (told) => {
        this.categories = told.categories;
        this.draw();
      },
      () => {},
    );
    this.draw();
  }

  moved(told) {
    this.state = told;
    this.draw();
  }

  choose(kind) {
    Object.assign(this, { kind, checked: null, error: null });
    this.draw();
  }

  /** The newest wins; an upload the gateway has begun is finished first, so that pieces of two files never mix. */
  async examine(bytes) {
    const turn = ++this.turn;
    Object.assign(this, { bytes, checked: null, checking: true, error: null, sent: 0 });
    this.draw();
    await this.busy;
    if (turn !== this.turn) return;
    this.busy = (async () => {
      try {
        const checked = await check(this.app, bytes, (share) => {
          this.sent = share;
          this.draw();
        });
        if (turn === this.turn) Object.assign(this, { checked, checking: false });
      } catch (error) {
        if (turn === this.turn) Object.assign(this, { error, checking: false });
      }
      this.draw();
    })();
    await this.busy;
  }

  async take(file) {
    if (!file) return;
    const limit = this.app.hello?.limits?.importBytes ?? 8 << 20;
    if (file.size > limit) {
      this.error = { message: this.app.t("import.file-too-large") };
      return this.draw();
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    Object.assign(this, { file: file.name, text: readable(bytes) });
    await this.examine(bytes);
  }

  typed(event) {
    Object.assign(this, { text: event.target.value, file: null, checked: null });
    this.soon(() => this.examine(new TextEncoder().encode(this.text)), this.text.trim() === "");
    this.draw();
  }

  typedOne(name) {
    return (event) => {
      this.one[name] = event.target.value;
      this.checked = null;
      const ready = digits(this.one.mac) && this.one.user.trim();
      this.soon(() => this.examine(table(this.one)), !ready);
      this.draw();
    };
  }

  soon(what, not) {
    clearTimeout(this.later);
    if (not) this.turn++;
    else this.later = setTimeout(what, 300);
  }

  async start() {
    const { app, checked } = this;
    const count = checked.good - checked.known;
    const answer = await question(app, {
      title: app.t("import.start", { count }),
      text: app.t("import.start.will", { count }),
      yes: app.t("import.start.yes"),
    });
    if (!answer) return;
    try {
      await app.talk.ask("ImportStart", { ...(this.category ? { category: this.category } : {}), rollout: this.rollout });
      // Progress is told to whoever asked last.
      this.following.again({});
      this.checked = null;
    } catch (error) {
      this.error = error;
    }
    this.draw();
  }

  async stop() {
    try {
      await this.app.talk.ask("ImportStop", {});
    } catch (error) {
      this.app.say(refused(this.app, error));
    }
  }

  single() {
    const { app, one } = this;
    const bad = one.mac.trim() !== "" && !digits(one.mac);
    const field = (
      name,
      more = {},
    ) => html`<label class=${name === "mac" && bad ? "wrong" : ""}><span>${app.t(`import.column.${name}`)}${more.required ? " *" : ""}</span>
      <input name=${name} type=${more.type ?? "text"} autocomplete=${more.type === "password" ? "new-password" : "off"} spellcheck="false" ?required=${more.required} aria-invalid=${name === "mac" && bad}
        placeholder=${more.placeholder ?? ""} .value=${one[name]} @input=${this.typedOne(name)}>
      ${name === "mac" && bad ? html`<small class="error">${app.t("scope.bad-mac")}</small>` : nothing}</label>`;
    const providers = (app.hello?.vendors ?? []).flatMap((vendor) => vendor.providers);
    return html`<form class="one" @submit=${(event) => event.preventDefault()}>
      ${field("mac", { required: true, placeholder: "80:5e:c0:12:34:56" })} ${field("user", { required: true })} ${field("name")}
      <label><span>${app.t("import.column.vendor")}</span><select name="vendor" @change=${this.typedOne("vendor")}>
        <option value="">${app.t("import.by-mac")}</option>${providers.map((provider) => html`<option value=${provider.name} ?selected=${provider.name === one.vendor}>${provider.title}</option>`)}</select></label>
      ${field("password", { type: "password" })}
      <details><summary>${app.t("import.more-fields")}</summary>${field("hwid")} ${field("pbx")} ${field("domain")}</details>
    </form>`;
  }

  many() {
    const { app } = this;
    const drop = (event) => {
      event.preventDefault();
      this.take(event.dataTransfer?.files?.[0]);
    };
    const long = this.text.length > SHOWN && this.file;
    return html`<div class="many" @dragover=${(event) => event.preventDefault()} @drop=${drop}>
      <p class="hint">${app.t("import.columns", { columns: COLUMNS.join(", ") })}</p>
      <label class="button">${app.t("import.file")}<input class="unseen" type="file" name="file" accept=".csv,.txt,text/csv,text/plain" @change=${(event) => this.take(event.target.files[0])}></label>
      ${this.file ? html`<strong>${this.file}</strong>` : nothing}
      <label><span>${app.t("import.paste")}</span>
        <textarea name="paste" rows="8" spellcheck="false" wrap="off" ?readonly=${long} placeholder="mac;user;name;password"
          .value=${long ? `${this.text.slice(0, SHOWN)}…` : this.text} @input=${(event) => this.typed(event)}></textarea></label>
    </div>`;
  }

  verdict() {
    const { app, checked } = this;
    if (this.error) return html`<p class="error" role="alert">${refused(app, this.error)}</p>`;
    if (this.checking) return html`<p class="hint" role="status">${app.t("import.checking", { percent: Math.round(this.sent * 100) })}</p>`;
    if (!checked) return nothing;
    const count = checked.good - checked.known;
    return html`<section class="verdict" aria-labelledby="verdict-title">
      <h2 id="verdict-title">${app.t("import.verdict")}</h2>
      <p role="status" data-verdict><span class="outcome good">${app.t("import.good", { count })}</span>
        ${checked.known ? html`<span class="outcome plain">${app.t("import.known", { count: checked.known })}</span>` : nothing}
        ${checked.wrong ? html`<span class="outcome bad">${app.t("import.wrong", { count: checked.wrong })}</span>` : nothing}</p>
      ${checked.ignored?.length ? html`<p class="hint">${app.t("import.ignored", { columns: checked.ignored.join(", ") })}</p>` : nothing}
      ${checked.errors?.length ? errors(app, checked.errors, checked.truncated) : nothing}
      <div class="filters">
        <label><span>${app.t("import.category")}</span><select name="category" @change=${(event) => {
          this.category = event.target.value;
        }}>
          <option value="">${app.t("import.category.own")}</option>${this.categories.map((one) => html`<option value=${one.id} ?selected=${one.id === this.category}>${label(this.categories, one)}</option>`)}</select></label>
        <label class="check"><input type="checkbox" name="rollout" .checked=${this.rollout} @change=${(event) => {
          this.rollout = event.target.checked;
        }}> ${app.t("import.rollout")}</label>
        <button type="button" class="primary" data-do="start" ?disabled=${count <= 0 || this.running()} @click=${() => this.start()}>${app.t("import.start", { count })}</button>
      </div>
    </section>`;
  }

  running() {
    return !!this.state?.of && !this.state.finished;
  }

  draw() {
    const { app } = this;
    render(
      html`<div class="import-view">
        <header class="bar-of-tools"><h1>${app.t("import.title")}</h1>
          <div class="choice" role="group" aria-label=${app.t("import.title")}>
            ${["one", "many"].map((kind) => html`<button type="button" data-kind=${kind} aria-pressed=${this.kind === kind} @click=${() => this.choose(kind)}>${app.t(`import.kind.${kind}`)}</button>`)}
          </div></header>
        ${progress(app, this.state, () => this.stop())}
        ${this.kind === "one" ? this.single() : this.many()}
        ${this.verdict()}
        <p class="hint">${app.t("import.repeatable")}</p>
      </div>`,
      this.element,
    );
  }

  close() {
    clearTimeout(this.later);
    this.following.stop();
  }
}

export const view = {
  title: "import.title",
  open(element, app) {
    const page = new Import(element, app);
    return { close: () => page.close(), go() {} };
  },
};
