// All settings of a scope: what holds and why, changed together or not at all.

import { html, render, nothing } from "../lit/lit-html.js";
import { repeat } from "../lit/directives/repeat.js";
import { address } from "../shell/routes.js";
import { names } from "./parts/category.js";
import { refused, said, word } from "./parts/message.js";
import { wrong } from "./settings/check.js";
import { field, zoneList } from "./settings/field.js";
import { KeyCheck } from "./settings/keys.js";
import { account } from "./settings/redirect.js";
import { chooser, named } from "./settings/scope.js";

/** What a change brought about besides: secrets that belonged to the former address, and contradictions. */
function aside(app, emptied, remarks) {
  const secrets = emptied.map(({ scope, name }) => `${name} (${named(app, scope)})`);
  const lost = secrets.length ? [app.t("settings.emptied", { secrets: secrets.join(", ") })] : [];
  return [...lost, ...remarks.map((remark) => said(app, remark))];
}

class Settings {
  constructor(element, app, scope, wanted) {
    Object.assign(this, {
      element,
      app,
      scope,
      wanted,
      settings: null,
      scopes: [],
      drafts: new Map(),
      fields: {},
      pending: null,
      tests: new Map(),
      categories: [],
      error: null,
      note: null,
      saving: false,
      search: "",
      ended: false,
    });
    this.keys = new KeyCheck(app, scope, () => this.draw());
    this.following = app.talk.follow(
      "Settings",
      { scope },
      (told) => this.told(told),
      "SettingsChanged",
      () => this.load(),
      (error) => this.failed(error),
    );
    app.talk.ask("Categories", {}).then(
      (told) => {
        this.categories = names(told.categories);
        this.draw();
      },
      () => {},
    );
    this.draw();
  }

  told({ settings, scopes }) {
    Object.assign(this, { settings, scopes: scopes ?? [], error: null });
    this.count();
    this.draw();
    if (this.wanted) {
      const input = this.element.querySelector(`[name="${CSS.escape(this.wanted)}"]`);
      input?.scrollIntoView({ block: "center" });
      input?.focus();
      this.wanted = null;
    }
  }

  failed(error) {
    this.error = error;
    this.draw();
  }

  /** Followed anew: changes are told to whoever asked last. */
  load() {
    this.following.again({ scope: this.scope });
  }

  /** Every phone's file is rendered for this: asked once after a change, not with every key. */
  async count() {
    try {
      const pending = await this.app.talk.ask("SettingsPending", { scope: this.scope });
      if (!this.ended) this.pending = pending;
    } catch {
      this.pending = null;
    }
    this.draw();
  }

  set(setting, value) {
    const same = value !== null && !setting.secret && setting.set && value === setting.value;
    if (same || (value === null && !setting.set) || (value === "" && !setting.set)) this.drafts.delete(setting.name);
    else this.drafts.set(setting.name, value);
    delete this.fields[setting.name];
    this.note = null;
    this.draw();
  }

  forget(name) {
    this.drafts.delete(name);
    delete this.fields[name];
    this.draw();
  }

  problem(setting) {
    const told = this.fields[setting.name];
    if (told) return said(this.app, told);
    const draft = this.drafts.get(setting.name);
    if (draft === undefined || draft === null) return null;
    if (setting.kind.type === "line-keys" && this.keys.faults) return this.app.t("keys.wrong", { count: this.keys.faults });
    const found = wrong(setting, draft);
    return found && this.app.t(found[0], found[1]);
  }

  async save(event) {
    event.preventDefault();
    const { app } = this;
    const bad = this.settings.find((setting) => this.drafts.has(setting.name) && this.problem(setting));
    if (bad) {
      this.element.querySelector(`[name="${CSS.escape(bad.name)}"]`)?.focus();
      return;
    }
    Object.assign(this, { saving: true, note: null });
    this.draw();
    const count = this.drafts.size;
    try {
      const { emptied, remarks } = await app.talk.ask("SettingsSet", { scope: this.scope, values: Object.fromEntries(this.drafts) });
      this.drafts.clear();
      Object.assign(this, { fields: {}, saving: false, note: { ok: true, text: [app.t("settings.saved", { count }), ...aside(app, emptied, remarks)].join(" ") } });
      this.tests.clear();
      this.load();
      this.draw();
    } catch (error) {
      Object.assign(this, { saving: false, fields: error.fields ?? {}, note: { ok: false, text: refused(app, error) } });
      this.draw();
      this.element.querySelector('[aria-invalid="true"]')?.focus();
    }
  }

  field(setting) {
    return field(this.app, setting, {
      draft: this.drafts.get(setting.name),
      error: this.problem(setting),
      pending: this.pending?.fields?.[setting.name] ?? 0,
      set: (value) => this.set(setting, value),
      forget: () => this.forget(setting.name),
      keys: this.keys,
    });
  }

  group(name, settings) {
    const { app } = this;
    const vendor = name.startsWith("redirect.") && (app.hello?.vendors ?? []).find((one) => `redirect.${one.name}` === name);
    const changed = settings.some((setting) => this.drafts.has(setting.name));
    const title = vendor ? app.t("settings.group.redirect", { vendor: vendor.title }) : word(app, `settings.group.${name}`, name);
    return html`<fieldset data-group=${name}><legend>${title}</legend>
      ${vendor ? account(app, this.settings, vendor, this.tests, changed, () => this.draw()) : nothing}
      ${repeat(
        settings,
        (setting) => setting.name,
        (setting) => this.field(setting),
      )}</fieldset>`;
  }

  groups() {
    const { app } = this;
    const wanted = this.search.toLowerCase();
    const has = (setting) =>
      !wanted || `${setting.name} ${word(app, `setting.${setting.name}`, "")} ${said(app, setting.help)}`.toLowerCase().includes(wanted);
    const groups = new Map();
    for (const setting of this.settings.filter(has)) {
      if (!groups.has(setting.group)) groups.set(setting.group, []);
      groups.get(setting.group).push(setting);
    }
    return repeat(
      [...groups],
      ([name]) => name,
      ([name, settings]) => this.group(name, settings),
    );
  }

  choose(scope) {
    this.app.go(address("settings", scope));
  }

  draw() {
    if (this.ended) return;
    const { app, pending } = this;
    const changes = this.drafts.size;
    const none = this.settings === null;
    render(
      html`<div class="settings-view">
        <header class="bar-of-tools"><h1>${app.t("settings.title")}: ${named(app, this.scope)}</h1>
          <label class="search"><span>${app.t("settings.search")}</span>
            <input type="search" .value=${this.search} @input=${(event) => {
              this.search = event.target.value;
              this.draw();
            }}></label></header>
        ${chooser(app, this.scope, this.scopes, (scope) => this.choose(scope), this.categories)}
        ${this.scope.startsWith("category:") ? html`<p class="hint">${app.t("settings.category.hint")}</p>` : nothing}
        ${this.error ? html`<p class="error" role="alert">${refused(app, this.error)}</p>` : nothing}
        ${pending ? html`<p class="hint" data-outdated>${app.t(pending.outdated ? "settings.outdated" : "settings.current", pending)}</p>` : nothing}
        ${
          none
            ? html`<p class="hint">${app.t("view.loading")}</p>`
            : html`${zoneList()}
          <form novalidate autocomplete="off" @submit=${(event) => this.save(event)}>
            ${this.groups()}
            <div class="save" ?hidden=${changes === 0 && !this.note}>
              <span role="status">${this.note ? html`<span class="outcome ${this.note.ok ? "good" : "bad"}">${this.note.text}</span>` : changes ? app.t("settings.changes", { count: changes }) : nothing}</span>
              <button type="button" ?disabled=${changes === 0} @click=${() => {
                this.drafts.clear();
                Object.assign(this, { fields: {}, note: null });
                this.draw();
              }}>${app.t("settings.discard")}</button>
              <button type="submit" class="primary" ?disabled=${changes === 0 || this.saving}>${app.t("settings.save")}</button>
            </div>
          </form>`
        }
      </div>`,
      this.element,
    );
  }

  close() {
    this.ended = true;
    this.keys.close();
    this.following.stop();
  }
}

/** The scope, and the setting somebody comes for. */
const place = (route) => [route.args[0] ?? "instance", route.query.setting ?? null];

export const view = {
  title: "settings.title",
  open(element, app, route) {
    let [scope, setting] = place(route);
    let settings = new Settings(element, app, scope, setting);
    return {
      close: () => settings.close(),
      go(next) {
        const [other, wanted] = place(next);
        if (other === scope && !wanted) return;
        settings.close();
        [scope, setting] = [other, wanted];
        settings = new Settings(element, app, scope, setting);
      },
    };
  },
};
