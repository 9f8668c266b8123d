// A modal confirmation dialog. Escape closes it, and the focus returns to the previous element.

import { html, render, nothing } from "../../lit/lit-html.js";

/**
 * Shows the dialog. `body` is a template of further fields. Resolves with their form data, or null if it was cancelled.
 */
export function confirmDialog(app, { title, text, body = nothing, yes, dangerous = false }) {
  const dialog = document.createElement("dialog");
  dialog.className = "question";
  dialog.setAttribute("aria-labelledby", "question-title");
  document.body.append(dialog);
  const previousFocus = document.activeElement;
  return new Promise((resolve) => {
    let answer = null;
    const submit = (event) => {
      event.preventDefault();
      answer = new FormData(event.target);
      dialog.close();
    };
    dialog.addEventListener("close", () => {
      dialog.remove();
      previousFocus?.focus?.();
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
