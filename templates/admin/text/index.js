// The texts of the language in use. Each language has one file, which contains the page's own texts and those whose keys
// the gateway sends. The gateway reads the English file too.

export const LANGUAGES = ["en", "de"];

let texts = {};
let language = "en";
const changed = [];

/** The language in use, two letters. */
export const lang = () => language;

/** The language to begin with: what the client asks for, else the browser's. */
export function preferred() {
  const asked = document.documentElement.lang;
  const wished = new URLSearchParams(location.search).has("lang") ? [asked] : navigator.languages;
  return wished.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => LANGUAGES.includes(tag)) ?? "en";
}

/** Takes another language. */
export async function speak(tag) {
  const wanted = LANGUAGES.includes(tag) ? tag : "en";
  const answer = await fetch(new URL(`./${wanted}.json`, import.meta.url));
  if (!answer.ok) throw new Error(`${wanted}.json: ${answer.status}`);
  texts = await answer.json();
  language = wanted;
  document.documentElement.lang = wanted;
  for (const listener of changed) listener();
}

/** Calls back when the language changes. */
export function onLanguage(listener) {
  changed.push(listener);
}

const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?Z$/;

function shown(value) {
  // A sentence in a sentence.
  if (typeof value?.key === "string") return told(value);
  if (typeof value === "number") return value.toLocaleString(language);
  if (typeof value === "string" && MOMENT.test(value)) return moment(value);
  return String(value ?? "");
}

// One pass: what stands in a parameter is never taken for a place.
function filled(template, params) {
  return template.replace(/\{(\w+)\}/g, (place, name) => (name in params ? shown(params[name]) : place)).trim();
}

/** The text of a key, `{name}` replaced by `params.name`; times (RFC 3339) and numbers are written as people do. */
export function t(key, params = {}) {
  return filled(texts[key] ?? key, params);
}

/** The text of a key for a number: `key.one` or `key.other`, with `{count}`. */
export function count(key, number, params = {}) {
  return t(`${key}.${number === 1 ? "one" : "other"}`, { count: number, ...params });
}

/** Whether there is such a text. */
export const knows = (key) => key in texts;

/** A text the gateway sent (`{key, params, text}`), in the language in use where it is known. */
export function told(text) {
  if (!text) return "";
  return knows(text.key) ? filled(texts[text.key], text.params ?? {}) : text.text;
}

/** What became of a refusal (`{error, code}`) or any other error. */
export function reason(error) {
  return error?.code ? told(error.code) : String(error?.message ?? error);
}

/** A state's word: `state.<kind>.<word>`. */
export const stateWord = (kind, word) => (word === null || word === undefined ? "–" : t(`state.${kind}.${word}`));

const formats = new Map();
function format(name, options) {
  const key = `${language} ${name}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(language, options));
  return formats.get(key);
}

/** A time of the gateway: the hour today, the day before that; `long` always both. */
export function moment(at, long = false) {
  if (!at) return "–";
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  const today = date.toDateString() === new Date().toDateString();
  if (today && !long) return format("hour", { timeStyle: "medium" }).format(date);
  const options = { dateStyle: "medium", timeStyle: long ? "medium" : "short" };
  return format(long ? "long" : "short", options).format(date);
}

/** A MAC as people read it. */
export const mac = (digits) => (digits ?? "").match(/../g)?.join(":") ?? "";
