// Tokens of scripts, and who did what.

import { html, nothing, render } from "../lit/lit-html.js";
import { repeat } from "../lit/directives/repeat.js";
import { moment, reason, t, told } from "../text/index.js";

const OLDER = 50;
const DOCS = new URL("../../../api/v1/docs", import.meta.url).href;

/** The view `Scripts and audit`. */
export const view = {
  title: "page.tab.tokens",
  open(element, app) {
    const now = { tokens: null, made: null, error: null, fields: {}, ending: null, rows: [], more: null };
    let closed = false;
    // An older answer must not replace a newer one.
    let turn = 0;

    const show = () => closed || render(page(), element);
    const failed = (error) => {
      [now.error, now.fields] = [reason(error), error.fields ?? {}];
      show();
    };

    async function read() {
      const mine = ++turn;
      try {
        const [{ tokens }, audit] = await Promise.all([app.talk.ask("Tokens"), app.talk.ask("Audit", { count: OLDER })]);
        if (mine !== turn) return;
        [now.tokens, now.rows, now.more] = [tokens, audit.rows, audit.more];
        show();
      } catch (error) {
        failed(error);
      }
    }

    async function older() {
      try {
        const { rows, more } = await app.talk.ask("Audit", { count: OLDER, before: now.more });
        [now.rows, now.more] = [[...now.rows, ...rows], more];
        show();
      } catch (error) {
        failed(error);
      }
    }

    async function make(event) {
      event.preventDefault();
      const form = event.target;
      const days = form.elements.days.value.trim();
      const wish = { name: form.elements.name.value, scope: form.elements.scope.value };
      try {
        const { token } = await app.talk.ask("TokenCreate", days ? { ...wish, days: Number(days) } : wish);
        [now.made, now.error, now.fields] = [{ name: wish.name, token }, null, {}];
        form.reset();
        await read();
        element.querySelector("#made")?.focus();
      } catch (error) {
        failed(error);
      }
    }

    // The first press asks, the second one does it: a script may depend on the token.
    async function end(token) {
      if (now.ending !== token.id) {
        now.ending = token.id;
        show();
        return;
      }
      now.ending = null;
      try {
        await app.talk.ask("TokenRevoke", { id: token.id });
        app.say(t("page.tokens.ended", { name: token.name }));
        await read();
      } catch (error) {
        failed(error);
      }
    }

    const wrong = (name) =>
      now.fields[name] ? html`<span class="note bad" id=${`wrong-${name}`}>${told(now.fields[name])}</span>` : nothing;
    const ends = (token) => {
      if (!token.expires) return t("page.tokens.never");
      return token.expired ? t("page.tokens.over", { at: token.expires }) : moment(token.expires, true);
    };

    const page = () => html`
      <h1>${t("page.tab.tokens")}</h1>
      <p>${t("page.tokens.lead")} <a href=${DOCS} target="_blank" rel="noopener">${t("page.tokens.docs")}</a></p>
      ${now.error ? html`<p class="note bad" role="alert">${now.error}</p>` : nothing}
      ${now.made
        ? html`<p class="note" id="made" tabindex="-1">${t("page.tokens.made", { name: now.made.name })} <code class="mono">${now.made.token}</code></p>`
        : nothing}
      <form class="token-form" @submit=${make}>
        <label>${t("page.tokens.name")} <input name="name" required maxlength="60" autocomplete="off" /></label>${wrong("name")}
        <label>${t("page.tokens.scope")}
          <select name="scope"><option value="read">${t("page.tokens.read")}</option><option value="write">${t("page.tokens.write")}</option></select>
        </label>${wrong("scope")}
        <label>${t("page.tokens.days")} <input name="days" type="number" min="1" max="3650" /></label>${wrong("days")}
        <button class="primary">${t("page.tokens.make")}</button>
      </form>
      ${now.tokens === null ? html`<p class="empty">${t("view.loading")}</p>` : now.tokens.length === 0 ? html`<p class="empty">${t("page.tokens.none")}</p>` : html`
        <div class="scrolled" tabindex="0" role="region" aria-label=${t("page.tab.tokens")}><table class="plain-table">
          <thead><tr>${["name", "scope", "created", "by", "ends"].map((name) => html`<th scope="col">${t(`page.tokens.${name}`)}</th>`)}<th></th></tr></thead>
          <tbody>${repeat(now.tokens, (token) => token.id, (token) => html`<tr>
            <td data-token=${token.name}>${token.name}</td><td>${t(`page.tokens.${token.scope}`)}</td><td>${moment(token.created, true)}</td><td>${token.createdBy}</td><td>${ends(token)}</td>
            <td><button @click=${() => end(token)}>${t(now.ending === token.id ? "page.tokens.sure" : "page.tokens.end")}<span class="unseen"> ${token.name}</span></button></td>
          </tr>`)}</tbody>
        </table></div>`}
      <h2>${t("page.audit.title")}</h2>
      <div class="scrolled" tabindex="0" role="region" aria-label=${t("page.audit.title")}><table class="plain-table">
        <thead><tr>${["at", "who", "source", "target", "deed"].map((name) => html`<th scope="col">${t(`page.audit.${name}`)}</th>`)}</tr></thead>
        <tbody>${repeat(now.rows, (row) => row.id, (row) => html`<tr class="audit"><td>${moment(row.at, true)}</td><td>${row.who}</td><td>${row.source || t("page.audit.command")}</td><td class="mono">${row.target}</td><td>${row.deed}</td></tr>`)}</tbody>
      </table></div>
      ${now.more ? html`<p><button @click=${older}>${t("page.audit.older")}</button></p>` : nothing}
    `;

    show();
    read();
    return { close: () => { closed = true; } };
  },
};
