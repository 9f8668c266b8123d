// One phone: the flight recorder. On top one sentence with the button that helps; below its facets, its time line, what
// is known of it, and its configuration. Live.

import { html, render, nothing } from "../lit/lit-html.js";
import { address } from "../shell/routes.js";
import { spelled, digits } from "./parts/mac.js";
import { icon } from "../shell/icons.js";
import { refused, said } from "./parts/message.js";
import { actions, remedy } from "./phone/actions.js";
import { Config } from "./phone/config.js";
import { accounts, facets, facts } from "./phone/facts.js";
import { joined, timeline } from "./phone/timeline.js";

const TABS = ["timeline", "config", "facts"];

class Recorder {
  constructor(element, app, mac) {
    Object.assign(this, { element, app, mac, phone: null, sentence: null, entries: [], error: null, tab: "timeline", hidden: new Set() });
    this.config = new Config(app, mac, () => this.draw());
    this.following = app.talk.follow(
      "Phone",
      { mac, subscribe: true },
      (told) => this.began(told),
      ["PhoneTimeline", "PhoneChanged"],
      (told) => this.changed(told),
      (error) => this.failed(error),
    );
    this.draw();
  }

  began({ phone, sentence }) {
    Object.assign(this, { phone, sentence, entries: [], error: null });
    this.draw();
  }

  changed(told) {
    const before = this.phone?.revision;
    const held = this.phone?.holdsCurrentFile;
    if (told.phone) this.phone = told.phone;
    if (told.sentence) this.sentence = told.sentence;
    if (told.entries?.length) this.entries = joined(this.entries, told.entries);
    // Also a delivery changes what there is to compare.
    const other = this.phone && (this.phone.revision !== before || this.phone.holdsCurrentFile !== held);
    if (this.tab === "config" && this.config.told && other) this.config.load();
    this.draw();
  }

  failed(error) {
    this.error = error;
    this.draw();
  }

  choose(tab) {
    this.tab = tab;
    if (tab === "config" && !this.config.told) this.config.load();
    this.draw();
  }

  /** Arrow keys move among the tabs, as everywhere. */
  key(event) {
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
        ? html`<p class="error" role="alert">${refused(app, this.error)}</p>`
        : html`<p class="hint">${app.t("view.loading")}</p>`;
      render(html`<div class="phone-view"><a class="back" href="#/devices">← ${app.t("phone.back")}</a>${text}</div>`, this.element);
      return;
    }
    render(
      html`<div class="phone-view" data-mac=${phone.mac}>
        <a class="back" href="#/devices">← ${app.t("phone.back")}</a>
        <header class="who">
          <h1>${phone.name || spelled(phone.mac)}</h1>
          <p><span class="mono">${spelled(phone.mac)}</span> · ${phone.vendor} ${phone.model ?? ""}
            ${phone.firmware ? html`· ${phone.firmware}` : nothing} ${phone.category ? html`· ${phone.category}` : nothing}</p>
        </header>
        <section class="sentence ${phone.stage}" data-cause=${sentence.cause} aria-live="polite" aria-label=${app.t("phone.sentence")}>
          <p class="state">${icon(phone.stage)}
            <strong>${said(app, sentence.state)}</strong></p>
          <p class="why">${said(app, sentence.why)}</p>
          <p class="next">${said(app, sentence.next)}</p>
          ${remedy(app, phone, sentence)}
        </section>
        ${facets(app, phone)}
        ${actions(app, phone, sentence)}
        <div class="tabs" role="tablist" @keydown=${(event) => this.key(event)}>
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
    this.following.stop();
  }
}

/** The phone of a route, in any spelling; what is no MAC is left to the gateway to refuse. */
const named = (route) => digits(route.args[0] ?? "") ?? route.args[0] ?? "";

export const view = {
  title: "phone.title",
  open(element, app, route) {
    let mac = named(route);
    let recorder = new Recorder(element, app, mac);
    if (route.args[1] === "config") recorder.choose("config");
    return {
      close: () => recorder.close(),
      go(next) {
        const other = named(next);
        if (other === mac) return;
        recorder.close();
        mac = other;
        recorder = new Recorder(element, app, mac);
      },
    };
  },
};
