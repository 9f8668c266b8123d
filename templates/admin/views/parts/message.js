// What the gateway says, in the page's language. Everything here returns plain text.

import { knows, reason, t, told } from "../../text/index.js";

/** The sentence of a text `{key, params, text}`. */
export const said = (app, text) => (typeof text === "string" ? text : told(text));

/** The sentence of a refused request. */
export const refused = (app, error) => reason(error);

/** A word of the gateway where it has a translation, else as it came. */
export const word = (app, key, fallback) => (knows(key) ? t(key) : fallback);
