// Progress of an import. The import continues in the gateway when the page is closed.

import { html, nothing } from "../../lit/lit-html.js";
import { messageText } from "../parts/message.js";

/** Progress bar, counts, failed lines and the stop button. */
export function progress(app, state, stop) {
  if (!state || !state.of) return nothing;
  return html`<section class="progress" aria-labelledby="progress-title" data-finished=${state.finished}>
    <h2 id="progress-title">${app.t(state.finished ? "import.finished" : "import.under-way")}</h2>
    <progress max=${state.of} value=${state.done} aria-labelledby="progress-title"></progress>
    <p role="status">${app.t("import.progress", state)}</p>
    ${
      state.finished
        ? state.done < state.of
          ? html`<p class="hint">${app.t("import.stopped")}</p>`
          : nothing
        : html`<button type="button" data-do="stop" @click=${stop}>${app.t("import.stop")}</button>`
    }
    ${state.errors?.length ? errors(app, state.errors) : nothing}
  </section>`;
}

/** The table of faulty lines. */
export function errors(app, list, truncated = false) {
  return html`<div class="scrolls" tabindex="0" role="region" aria-label=${app.t("import.errors")}><table class="errors">
      <thead><tr><th scope="col">${app.t("import.line")}</th><th scope="col">${app.t("import.field")}</th><th scope="col">${app.t("import.problem")}</th></tr></thead>
      <tbody>${list.map((one) => html`<tr><td class="number">${one.line || "–"}</td><td>${one.field ?? ""}</td><td>${messageText(app, one.text)}</td></tr>`)}</tbody>
    </table></div>
    ${truncated ? html`<p class="hint">${app.t("import.truncated")}</p>` : nothing}`;
}
