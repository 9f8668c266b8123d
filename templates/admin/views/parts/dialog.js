// A question before something is done. Modal, closed with Escape, the focus returns to where it was.

import { html, render, nothing } from "../../lit/lit-html.js";

/**
 * Asks. `body` is a template of further fields; the promise is their form data, or null when it was dismissed.
 */
export function question(app, { title, text, body = nothing, yes, dangerous = false }) {
  const dialog = document.createElement("dialog");
  dialog.className = "question";
  dialog.setAttribute("aria-labelledby", "question-title");
  document.body.append(dialog);
  const before = document.activeElement;
  return new Promise((resolve) => {
    let answer = null;
    const submit = (event) => {
      event.preventDefault();
      answer = new FormData(event.target);
      dialog.close();
    };
    dialog.addEventListener("close", () => {
      dialog.remove();
      before?.focus?.();
      resolve(answer);
    });
    render(
      html`<form method="dialog" @submit=${submit}>
        <h2 id="question-title">${title}</h2>
        <p>${text}</p>
        ${body}
        <div class="buttons">
          <button type="button" @click=${() => dialog.close()}>${app.t("view.cancel")}</button>
          <button type="submit" class=${dangerous ? "danger" : "primary"} autofocus>${yes}</button>
        </div>
      </form>`,
      dialog,
    );
    dialog.showModal();
  });
}
