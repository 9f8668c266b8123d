// Texts of the gateway in the page's language. All functions return plain text.

import { hasText, errorReason, t, translate } from "../../text/index.js";

/** The text of a message `{key, params, text}` or of a plain string. */
export const messageText = (app, text) => (typeof text === "string" ? text : translate(text));

/** The text of a rejected request. */
export const errorText = (app, error) => errorReason(error);

/** The text of a key, or `fallback` if it has none. */
export const labelOr = (app, key, fallback) => (hasText(key) ? t(key) : fallback);
