// API tokens and the audit log.

import { html, nothing, render } from "../lit/lit-html.js";
import { repeat } from "../lit/directives/repeat.js";
import { moment, errorReason, t, translate } from "../text/index.js";

const PAGE_SIZE = 50;
const DOCS = new URL("../../../api/v1/docs", import.meta.url).href;

/** The view `Scripts and audit`. */
export const view = {
  title: "page.tab.tokens",
  open(element, app) {
    const state = { tokens: null, created: null, error: null, fields: {}, confirming: null, rows: [], more: null };
    let isClosed = false;
    // An older answer must not replace a newer one.
    let generation = 0;

    const draw = () => isClosed || render(template(), element);
    const failed = (error) => {
      [state.error, state.fields] = [errorReason(error), error.fields ?? {}];
      draw();
    };

    async function load() {
      const requested = ++generation;
      try {
        const [{ tokens }, audit] = await Promise.all([app.gateway.request("Tokens"), app.gateway.request("Audit", { count: PAGE_SIZE })]);
        if (requested !== generation) return;
        [state.tokens, state.rows, state.more] = [tokens, audit.rows, audit.more];
        draw();
      } catch (error) {
        failed(error);
      }
    }

    async function loadOlder() {
      try {
        const { rows, more } = await app.gateway.request("Audit", { count: PAGE_SIZE, before: state.more });
        [state.rows, state.more] = [[...state.rows, ...rows], more];
        draw();
      } catch (error) {
        failed(error);
      }
    }

    async function createToken(event) {
      event.preventDefault();
      const form = event.target;
      const days = form.elements.days.value.trim();
      const request = { name: form.elements.name.value, scope: form.elements.scope.value };
      try {
        const { token } = await app.gateway.request("TokenCreate", days ? { ...request, days: Number(days) } : request);
        [state.created, state.error, state.fields] = [{ name: request.name, token }, null, {}];
        form.reset();
        await load();
        element.querySelector("#made")?.focus();
      } catch (error) {
        failed(error);
      }
    }

    // The first click asks for a confirmation, because a script may depend on the token.
    async function revoke(token) {
      if (state.confirming !== token.id) {
        state.confirming = token.id;
        draw();
        return;
      }
      state.confirming = null;
      try {
        await app.gateway.request("TokenRevoke", { id: token.id });
        app.notify(t("page.tokens.ended", { name: token.name }));
        await load();
      } catch (error) {
        failed(error);
      }
    }

    const fieldError = (name) =>
      state.fields[name] ? html`<span class="note bad" id=${`wrong-${name}`}>${translate(state.fields[name])}</span>` : nothing;
    const expiry = (token) => {
      if (!token.expires) return t("page.tokens.never");
      return token.expired ? t("page.tokens.over", { at: token.expires }) : moment(token.expires, true);
    };

    const template = () => html`
      <h1>${t("page.tab.tokens")}</h1>
      <p>${t("page.tokens.lead")} <a href=${DOCS} target="_blank" rel="noopener">${t("page.tokens.docs")}</a></p>
      ${state.error ? html`<p class="note bad" role="alert">${state.error}</p>` : nothing}
      ${state.created
        ? html`<p class="note" id="made" tabindex="-1">${t("page.tokens.made", { name: state.created.name })} <code class="mono">${state.created.token}</code></p>`
        : nothing}
      <form class="token-form" @submit=${createToken}>
        <label>${t("page.tokens.name")} <input name="name" required maxlength="60" autocomplete="off" /></label>${fieldError("name")}
        <label>${t("page.tokens.scope")}
          <select name="scope"><option value="read">${t("page.tokens.read")}</option><option value="write">${t("page.tokens.write")}</option></select>
        </label>${fieldError("scope")}
        <label>${t("page.tokens.days")} <input name="days" type="number" min="1" max="3650" /></label>${fieldError("days")}
        <button class="primary">${t("page.tokens.make")}</button>
      </form>
      ${state.tokens === null ? html`<p class="empty">${t("view.loading")}</p>` : state.tokens.length === 0 ? html`<p class="empty">${t("page.tokens.none")}</p>` : html`
        <div class="scrolled" tabindex="0" role="region" aria-label=${t("page.tab.tokens")}><table class="plain-table">
          <thead><tr>${["name", "scope", "created", "by", "ends"].map((name) => html`<th scope="col">${t(`page.tokens.${name}`)}</th>`)}<th></th></tr></thead>
          <tbody>${repeat(state.tokens, (token) => token.id, (token) => html`<tr>
            <td data-token=${token.name}>${token.name}</td><td>${t(`page.tokens.${token.scope}`)}</td><td>${moment(token.created, true)}</td><td>${token.createdBy}</td><td>${expiry(token)}</td>
            <td><button @click=${() => revoke(token)}>${t(state.confirming === token.id ? "page.tokens.sure" : "page.tokens.end")}<span class="unseen"> ${token.name}</span></button></td>
          </tr>`)}</tbody>
        </table></div>`}
      <h2>${t("page.audit.title")}</h2>
      <div class="scrolled" tabindex="0" role="region" aria-label=${t("page.audit.title")}><table class="plain-table">
        <thead><tr>${["at", "who", "source", "target", "deed"].map((name) => html`<th scope="col">${t(`page.audit.${name}`)}</th>`)}</tr></thead>
        <tbody>${repeat(state.rows, (row) => row.id, (row) => html`<tr class="audit"><td>${moment(row.at, true)}</td><td>${row.who}</td><td>${row.source || t("page.audit.command")}</td><td class="mono">${row.target}</td><td>${row.deed}</td></tr>`)}</tbody>
      </table></div>
      ${state.more ? html`<p><button @click=${loadOlder}>${t("page.audit.older")}</button></p>` : nothing}
    `;

    draw();
    load();
    return { close: () => { isClosed = true; } };
  },
};
