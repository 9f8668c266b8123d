// Imports one phone from a form or many from a file. The gateway checks the file at once and imports it only after a
// confirmation. Importing the same file twice changes nothing.

import { html, render, nothing } from "../lit/lit-html.js";
import { errors, progress } from "./import/progress.js";
import { checkFile, decodeFile, csvOf } from "./import/upload.js";
import { categoryLabel, categoryReference } from "./parts/category.js";
import { parseMac } from "./parts/mac.js";
import { confirmDialog } from "./parts/dialog.js";
import { errorText, messageText } from "./parts/message.js";

const COLUMNS = ["mac", "user", "name", "vendor", "password", "hwid", "pbx", "domain", "category"];
const MAX_SHOWN = 4_000;

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
      generation: 0,
    });
    this.subscription = app.gateway.subscribe(
      "ImportState",
      {},
      (answer) => this.onState(answer),
      "ImportProgress",
      (answer) => this.onState(answer),
    );
    app.gateway.request("Categories", {}).then(
      (answer) => {
        this.categories = answer.categories;
        this.draw();
      },
      () => {},
    );
    this.draw();
  }

  onState(answer) {
    this.state = answer;
    this.draw();
  }

  choose(kind) {
    Object.assign(this, { kind, checked: null, error: null });
    this.draw();
  }

  /** Checks a file and drops older checks. A running upload finishes first, so that chunks of two files never mix. */
  async checkBytes(bytes) {
    const generation = ++this.generation;
    Object.assign(this, { bytes, checked: null, checking: true, error: null, sent: 0 });
    this.draw();
    await this.upload;
    if (generation !== this.generation) return;
    this.upload = (async () => {
      try {
        const checked = await checkFile(this.app, bytes, (share) => {
          this.sent = share;
          this.draw();
        });
        if (generation === this.generation) Object.assign(this, { checked, checking: false });
      } catch (error) {
        if (generation === this.generation) Object.assign(this, { error, checking: false });
      }
      this.draw();
    })();
    await this.upload;
  }

  async openFile(file) {
    if (!file) return;
    const limit = this.app.hello?.limits?.importBytes ?? 8 << 20;
    if (file.size > limit) {
      this.error = { message: this.app.t("import.file-too-large") };
      return this.draw();
    }
    const bytes = new Uint8Array(await file.arrayBuffer());
    Object.assign(this, { file: file.name, text: decodeFile(bytes) });
    await this.checkBytes(bytes);
  }

  onPaste(event) {
    Object.assign(this, { text: event.target.value, file: null, checked: null });
    this.scheduleCheck(() => this.checkBytes(new TextEncoder().encode(this.text)), this.text.trim() === "");
    this.draw();
  }

  onFieldInput(name) {
    return (event) => {
      this.one[name] = event.target.value;
      this.checked = null;
      const ready = parseMac(this.one.mac) && this.one.user.trim();
      this.scheduleCheck(() => this.checkBytes(csvOf(this.one)), !ready);
      this.draw();
    };
  }

  scheduleCheck(run, isEmpty) {
    clearTimeout(this.checkTimer);
    if (isEmpty) this.generation++;
    else this.checkTimer = setTimeout(run, 300);
  }

  async start() {
    const { app, checked } = this;
    const count = checked.good - checked.known;
    const answer = await confirmDialog(app, {
      title: app.t("import.start", { count }),
      text: app.t("import.start.will", { count }),
      yes: app.t("import.start.yes"),
    });
    if (!answer) return;
    try {
      await app.gateway.request("ImportStart", { ...(this.category ? { category: this.category } : {}), rollout: this.rollout });
      // The gateway sends progress to the newest subscription only.
      this.subscription.update({});
      this.checked = null;
    } catch (error) {
      this.error = error;
    }
    this.draw();
  }

  async stop() {
    try {
      await this.app.gateway.request("ImportStop", {});
    } catch (error) {
      this.app.notify(errorText(this.app, error));
    }
  }

  phoneForm() {
    const { app, one } = this;
    const isInvalidMac = one.mac.trim() !== "" && !parseMac(one.mac);
    const field = (
      name,
      more = {},
    ) => html`<label class=${name === "mac" && isInvalidMac ? "wrong" : ""}><span>${app.t(`import.column.${name}`)}${more.required ? " *" : ""}</span>
      <input name=${name} type=${more.type ?? "text"} autocomplete=${more.type === "password" ? "new-password" : "off"} spellcheck="false" ?required=${more.required} aria-invalid=${name === "mac" && isInvalidMac}
        placeholder=${more.placeholder ?? ""} .value=${one[name]} @input=${this.onFieldInput(name)}>
      ${name === "mac" && isInvalidMac ? html`<small class="error">${app.t("scope.bad-mac")}</small>` : nothing}</label>`;
    const providers = (app.hello?.vendors ?? []).flatMap((vendor) => vendor.providers);
    return html`<form class="one" @submit=${(event) => event.preventDefault()}>
      ${field("mac", { required: true, placeholder: "80:5e:c0:12:34:56" })} ${field("user", { required: true })} ${field("name")}
      <label><span>${app.t("import.column.vendor")}</span><select name="vendor" @change=${this.onFieldInput("vendor")}>
        <option value="">${app.t("import.by-mac")}</option>${providers.map((provider) => html`<option value=${provider.name} ?selected=${provider.name === one.vendor}>${provider.title}</option>`)}</select></label>
      ${field("password", { type: "password" })}
      <details><summary>${app.t("import.more-fields")}</summary>${field("hwid")} ${field("pbx")} ${field("domain")}</details>
    </form>`;
  }

  fileForm() {
    const { app } = this;
    const drop = (event) => {
      event.preventDefault();
      this.openFile(event.dataTransfer?.files?.[0]);
    };
    const long = this.text.length > MAX_SHOWN && this.file;
    return html`<div class="many" @dragover=${(event) => event.preventDefault()} @drop=${drop}>
      <p class="hint">${app.t("import.columns", { columns: COLUMNS.join(", ") })}</p>
      <label class="button">${app.t("import.file")}<input class="unseen" type="file" name="file" accept=".csv,.txt,text/csv,text/plain" @change=${(event) => this.openFile(event.target.files[0])}></label>
      ${this.file ? html`<strong>${this.file}</strong>` : nothing}
      <label><span>${app.t("import.paste")}</span>
        <textarea name="paste" rows="8" spellcheck="false" wrap="off" ?readonly=${long} placeholder="mac;user;name;password"
          .value=${long ? `${this.text.slice(0, MAX_SHOWN)}…` : this.text} @input=${(event) => this.onPaste(event)}></textarea></label>
    </div>`;
  }

  checkResult() {
    const { app, checked } = this;
    if (this.error) return html`<p class="error" role="alert">${errorText(app, this.error)}</p>`;
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
          <option value="">${app.t("import.category.own")}</option>${this.categories.map((one) => html`<option value=${categoryReference(this.categories, one)} ?selected=${categoryReference(this.categories, one) === this.category}>${categoryLabel(this.categories, one)}</option>`)}</select></label>
        <label class="check"><input type="checkbox" name="rollout" .checked=${this.rollout} @change=${(event) => {
          this.rollout = event.target.checked;
        }}> ${app.t("import.rollout")}</label>
        <button type="button" class="primary" data-do="start" ?disabled=${count <= 0 || this.isRunning()} @click=${() => this.start()}>${app.t("import.start", { count })}</button>
      </div>
    </section>`;
  }

  isRunning() {
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
        ${this.kind === "one" ? this.phoneForm() : this.fileForm()}
        ${this.checkResult()}
        <p class="hint">${app.t("import.repeatable")}</p>
      </div>`,
      this.element,
    );
  }

  close() {
    clearTimeout(this.checkTimer);
    this.subscription.stop();
  }
}

export const view = {
  title: "import.title",
  open(element, app) {
    const page = new Import(element, app);
    return { close: () => page.close(), go() {} };
  },
};
