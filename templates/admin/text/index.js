// The texts of the language in use. Each language has one file, which contains the page's own texts and those whose keys
// the gateway sends. The gateway reads the English file too.

export const LANGUAGES = ["en", "de"];

let texts = {};
let language = "en";
const listeners = [];

/** The language in use, two letters. */
export const lang = () => language;

/** The initial language: the client's, else the browser's. */
export function preferredLanguage() {
  const requested = document.documentElement.lang;
  const candidates = new URLSearchParams(location.search).has("lang") ? [requested] : navigator.languages;
  return candidates.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

/** Loads the texts of a language and uses them. */
export async function setLanguage(tag) {
  const supported = LANGUAGES.includes(tag) ? tag : "en";
  const answer = await fetch(new URL(`./${supported}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`${supported}.json: ${answer.status}`);
  texts = await answer.json();
  language = supported;
  document.documentElement.lang = supported;
  for (const listener of listeners) listener();
}

/** Registers a listener for changes of the language. */
export function onLanguage(listener) {
  listeners.push(listener);
}

const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/;

function formatValue(value) {
  // A message as a parameter of another message.
  if (typeof value?.key === "string") return translate(value);
  if (typeof value === "number") return value.toLocaleString(language);
  if (typeof value === "string" && MOMENT.test(value)) return moment(value);
  return String(value ?? "");
}

// A single pass: placeholders inside parameters are not replaced.
function fillTemplate(template, params) {
  return template.replace(/\{(\w+)\}/g, (placeholder, name) => (name in params ? formatValue(params[name]) : placeholder)).trim();
}

/** The text of a key, `{name}` replaced by `params.name`; times (RFC 3339) and numbers in the format of the language. */
export function t(key, params = {}) {
  return fillTemplate(texts[key] ?? key, params);
}

/** The text of a key for a number: `key.one` or `key.other`, with `{count}`. */
export function count(key, number, params = {}) {
  return t(`${key}.${number === 1 ? "one" : "other"}`, { count: number, ...params });
}

/** Whether a key has a text. */
export const hasText = (key) => key in texts;

/** Translates a message of the gateway (`{key, params, text}`); the English `text` if the key is unknown. */
export function translate(text) {
  if (!text) return "";
  return hasText(text.key) ? fillTemplate(texts[text.key], text.params ?? {}) : text.text;
}

/** The reason of a rejected request (`{error, code}`) or of any other error. */
export function errorReason(error) {
  return error?.code ? translate(error.code) : String(error?.message ?? error);
}

/** The label of a state: `state.<kind>.<word>`. */
export const stateWord = (kind, word) => (word === null || word === undefined ? "–" : t(`state.${kind}.${word}`));

const formats = new Map();
function format(name, options) {
  const key = `${language} ${name}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(language, options));
  return formats.get(key);
}

/** A time of the gateway: the time of day for today, else the date; with `long` always both. */
export function moment(at, long = false) {
  if (!at) return "–";
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  const today = date.toDateString() === new Date().toDateString();
  if (today && !long) return format("hour", { timeStyle: "medium" }).format(date);
  const options = { dateStyle: "medium", timeStyle: long ? "medium" : "short" };
  return format(long ? "long" : "short", options).format(date);
}

/** A MAC with colons. */
export const mac = (digits) => (digits ?? "").match(/../g)?.join(":") ?? "";
