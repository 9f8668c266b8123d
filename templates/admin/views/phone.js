// The view of one phone, updated live: the diagnosis with its button, the facets, the timeline, the details and the
// configuration.

import { html, render, nothing } from "../lit/lit-html.js";
import { address } from "../shell/routes.js";
import { formatMac, parseMac } from "./parts/mac.js";
import { icon } from "../shell/icons.js";
import { errorText, messageText } from "./parts/message.js";
import { actions, remedy } from "./phone/actions.js";
import { Config } from "./phone/config.js";
import { accounts, facets, facts } from "./phone/facts.js";
import { mergeEntries, timeline } from "./phone/timeline.js";

const TABS = ["timeline", "config", "facts"];

class PhoneView {
  constructor(element, app, mac) {
    Object.assign(this, { element, app, mac, phone: null, sentence: null, entries: [], error: null, tab: "timeline", hidden: new Set() });
    this.config = new Config(app, mac, () => this.draw());
    this.subscription = app.gateway.subscribe(
      "Phone",
      { mac, subscribe: true },
      (answer) => this.onAnswer(answer),
      ["PhoneTimeline", "PhoneChanged"],
      (change) => this.onChange(change),
      (error) => this.onError(error),
    );
    this.draw();
  }

  onAnswer({ phone, sentence }) {
    Object.assign(this, { phone, sentence, entries: [], error: null });
    this.draw();
  }

  onChange(change) {
    const revision = this.phone?.revision;
    const heldCurrentFile = this.phone?.holdsCurrentFile;
    if (change.phone) this.phone = change.phone;
    if (change.sentence) this.sentence = change.sentence;
    if (change.entries?.length) this.entries = mergeEntries(this.entries, change.entries);
    // A delivery changes the file that the comparison uses.
    const isOutdated = this.phone && (this.phone.revision !== revision || this.phone.holdsCurrentFile !== heldCurrentFile);
    if (this.tab === "config" && this.config.answer && isOutdated) this.config.load();
    this.draw();
  }

  onError(error) {
    this.error = error;
    this.draw();
  }

  choose(tab) {
    this.tab = tab;
    if (tab === "config" && !this.config.answer) this.config.load();
    this.draw();
  }

  /** Arrow keys move between the tabs. */
  onKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.choose(TABS[(TABS.indexOf(this.tab) + step + TABS.length) % TABS.length]);
    this.element.querySelector(`#tab-${this.tab}`)?.focus();
  }

  toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.draw();
  }

  panel() {
    const { app, phone } = this;
    if (this.tab === "config") return this.config.template();
    if (this.tab === "facts") {
      return html`${accounts(app, phone)}<section aria-labelledby="facts-title"><h2 id="facts-title">${app.t("phone.facts")}</h2>${facts(app, phone)}
        <p><a href=${address("settings", `phone:${phone.mac}`)}>${app.t("phone.settings")}</a></p></section>`;
    }
    return timeline(app, this.entries, this.hidden, (name) => this.toggle(name));
  }

  draw() {
    const { app, phone, sentence } = this;
    if (this.error || !phone) {
      const text = this.error
        ? html`<p class="error" role="alert">${errorText(app, this.error)}</p>`
        : html`<p class="hint">${app.t("view.loading")}</p>`;
      render(html`<div class="phone-view"><a class="back" href="#/devices">← ${app.t("phone.back")}</a>${text}</div>`, this.element);
      return;
    }
    render(
      html`<div class="phone-view" data-mac=${phone.mac}>
        <a class="back" href="#/devices">← ${app.t("phone.back")}</a>
        <header class="who">
          <h1>${phone.name || formatMac(phone.mac)}</h1>
          <p><span class="mono">${formatMac(phone.mac)}</span> · ${phone.vendor} ${phone.model ?? ""}
            ${phone.firmware ? html`· ${phone.firmware}` : nothing} ${phone.category ? html`· ${phone.category}` : nothing}</p>
        </header>
        <section class="sentence ${phone.stage}" data-cause=${sentence.cause} aria-live="polite" aria-label=${app.t("phone.sentence")}>
          <p class="state">${icon(phone.stage)}
            <strong>${messageText(app, sentence.state)}</strong></p>
          <p class="why">${messageText(app, sentence.why)}</p>
          <p class="next">${messageText(app, sentence.next)}</p>
          ${remedy(app, phone, sentence)}
        </section>
        ${facets(app, phone)}
        ${actions(app, phone, sentence)}
        <div class="tabs" role="tablist" @keydown=${(event) => this.onKey(event)}>
          ${TABS.map(
            (tab) => html`<button type="button" role="tab" id="tab-${tab}" aria-selected=${this.tab === tab} aria-controls="phone-panel"
              tabindex=${this.tab === tab ? 0 : -1} @click=${() => this.choose(tab)}>${app.t(`phone.tab.${tab}`)}
              ${tab === "config" && phone.holdsCurrentFile === false ? html`<span class="outcome busy">${app.t("phone.file.old")}</span>` : nothing}</button>`,
          )}
        </div>
        <div id="phone-panel" role="tabpanel" aria-labelledby="tab-${this.tab}">${this.panel()}</div>
      </div>`,
      this.element,
    );
  }

  close() {
    this.config.close();
    this.subscription.stop();
  }
}

/** The MAC of a route, in any spelling. The gateway rejects an invalid one. */
const macOf = (route) => parseMac(route.args[0] ?? "") ?? route.args[0] ?? "";

export const view = {
  title: "phone.title",
  open(element, app, route) {
    let mac = macOf(route);
    let phoneView = new PhoneView(element, app, mac);
    if (route.args[1] === "config") phoneView.choose("config");
    return {
      close: () => phoneView.close(),
      go(next) {
        const nextMac = macOf(next);
        if (nextMac === mac) return;
        phoneView.close();
        mac = nextMac;
        phoneView = new PhoneView(element, app, mac);
      },
    };
  },
};
