// All settings of a scope with their effective values and origins. All changes are saved together or not at all.

import { html, render, nothing } from "../lit/lit-html.js";
import { repeat } from "../lit/directives/repeat.js";
import { address } from "../shell/routes.js";
import { categoryNames } from "./parts/category.js";
import { errorText, messageText, labelOr } from "./parts/message.js";
import { validate } from "./settings/check.js";
import { field, zoneList } from "./settings/field.js";
import { KeyCheck } from "./settings/keys.js";
import { accountTest } from "./settings/redirect.js";
import { scopeChooser, scopeTitle } from "./settings/scope.js";

/** The side effects of a change: emptied secrets of the former address, and contradictions. */
function sideEffects(app, emptied, remarks) {
  const secrets = emptied.map(({ scope, name }) => `${name} (${scopeTitle(app, scope)})`);
  const lost = secrets.length ? [app.t("settings.emptied", { secrets: secrets.join(", ") })] : [];
  return [...lost, ...remarks.map((remark) => messageText(app, remark))];
}

class Settings {
  constructor(element, app, scope, focusName) {
    Object.assign(this, {
      element,
      app,
      scope,
      focusName,
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
      isClosed: false,
    });
    this.keys = new KeyCheck(app, scope, () => this.draw());
    this.subscription = app.gateway.subscribe(
      "Settings",
      { scope },
      (answer) => this.onAnswer(answer),
      "SettingsChanged",
      () => this.load(),
      (error) => this.onError(error),
    );
    app.gateway.request("Categories", {}).then(
      (answer) => {
        this.categories = categoryNames(answer.categories);
        this.draw();
      },
      () => {},
    );
    this.draw();
  }

  onAnswer({ settings, scopes }) {
    Object.assign(this, { settings, scopes: scopes ?? [], error: null });
    this.loadPending();
    this.draw();
    if (this.focusName) {
      const input = this.element.querySelector(`[name="${CSS.escape(this.focusName)}"]`);
      input?.scrollIntoView({ block: "center" });
      input?.focus();
      this.focusName = null;
    }
  }

  onError(error) {
    this.error = error;
    this.draw();
  }

  /** Subscribes again, because the gateway sends changes to the newest subscription only. */
  load() {
    this.subscription.update({ scope: this.scope });
  }

  /** Requests the number of outdated phones, once per change, because the gateway renders every phone's file for it. */
  async loadPending() {
    try {
      const pending = await this.app.gateway.request("SettingsPending", { scope: this.scope });
      if (!this.isClosed) this.pending = pending;
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

  discardDraft(name) {
    this.drafts.delete(name);
    delete this.fields[name];
    this.draw();
  }

  problem(setting) {
    const error = this.fields[setting.name];
    if (error) return messageText(this.app, error);
    const draft = this.drafts.get(setting.name);
    if (draft === undefined || draft === null) return null;
    if (setting.kind.type === "line-keys" && this.keys.faults) return this.app.t("keys.wrong", { count: this.keys.faults });
    const problem = validate(setting, draft);
    return problem && this.app.t(problem[0], problem[1]);
  }

  async save(event) {
    event.preventDefault();
    const { app } = this;
    const invalid = this.settings.find((setting) => this.drafts.has(setting.name) && this.problem(setting));
    if (invalid) {
      this.element.querySelector(`[name="${CSS.escape(invalid.name)}"]`)?.focus();
      return;
    }
    Object.assign(this, { saving: true, note: null });
    this.draw();
    const count = this.drafts.size;
    try {
      const { emptied, remarks } = await app.gateway.request("SettingsSet", { scope: this.scope, values: Object.fromEntries(this.drafts) });
      this.drafts.clear();
      Object.assign(this, { fields: {}, saving: false, note: { ok: true, text: [app.t("settings.saved", { count }), ...sideEffects(app, emptied, remarks)].join(" ") } });
      this.tests.clear();
      this.load();
      this.draw();
    } catch (error) {
      Object.assign(this, { saving: false, fields: error.fields ?? {}, note: { ok: false, text: errorText(app, error) } });
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
      discardDraft: () => this.discardDraft(setting.name),
      keys: this.keys,
    });
  }

  group(name, settings) {
    const { app } = this;
    const vendor = name.startsWith("redirect.") && (app.hello?.vendors ?? []).find((one) => `redirect.${one.name}` === name);
    const changed = settings.some((setting) => this.drafts.has(setting.name));
    const title = vendor ? app.t("settings.group.redirect", { vendor: vendor.title }) : labelOr(app, `settings.group.${name}`, name);
    return html`<fieldset data-group=${name}><legend>${title}</legend>
      ${vendor ? accountTest(app, this.settings, vendor, this.tests, changed, () => this.draw()) : nothing}
      ${repeat(
        settings,
        (setting) => setting.name,
        (setting) => this.field(setting),
      )}</fieldset>`;
  }

  groups() {
    const { app } = this;
    const needle = this.search.toLowerCase();
    const matches = (setting) =>
      !needle || `${setting.name} ${labelOr(app, `setting.${setting.name}`, "")} ${messageText(app, setting.help)}`.toLowerCase().includes(needle);
    const groups = new Map();
    for (const setting of this.settings.filter(matches)) {
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
    if (this.isClosed) return;
    const { app, pending } = this;
    const changes = this.drafts.size;
    const isLoading = this.settings === null;
    render(
      html`<div class="settings-view">
        <header class="bar-of-tools"><h1>${app.t("settings.title")}: ${scopeTitle(app, this.scope)}</h1>
          <label class="search"><span>${app.t("settings.search")}</span>
            <input type="search" .value=${this.search} @input=${(event) => {
              this.search = event.target.value;
              this.draw();
            }}></label></header>
        ${scopeChooser(app, this.scope, this.scopes, (scope) => this.choose(scope), this.categories)}
        ${this.scope.startsWith("category:") ? html`<p class="hint">${app.t("settings.category.hint")}</p>` : nothing}
        ${this.error ? html`<p class="error" role="alert">${errorText(app, this.error)}</p>` : nothing}
        ${pending ? html`<p class="hint" data-outdated>${app.t(pending.outdated ? "settings.outdated" : "settings.current", pending)}</p>` : nothing}
        ${
          isLoading
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
    this.isClosed = true;
    this.keys.close();
    this.subscription.stop();
  }
}

/** The scope and the setting to focus. */
const routeParams = (route) => [route.args[0] ?? "instance", route.query.setting ?? null];

export const view = {
  title: "settings.title",
  open(element, app, route) {
    let [scope, setting] = routeParams(route);
    let settings = new Settings(element, app, scope, setting);
    return {
      close: () => settings.close(),
      go(next) {
        const [other, focusName] = routeParams(next);
        if (other === scope && !focusName) return;
        settings.close();
        [scope, setting] = [other, focusName];
        settings = new Settings(element, app, scope, setting);
      },
    };
  },
};
