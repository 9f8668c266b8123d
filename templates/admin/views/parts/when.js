// Times in the browser's zone and the page's language.

const language = () => document.documentElement.lang || "en";
const formats = new Map();

function format(name, options) {
  const key = `${language()} ${name}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(language(), options));
  return formats.get(key);
}

/** Date and time to the second. */
export function moment(at) {
  return at ? format("moment", { dateStyle: "medium", timeStyle: "medium" }).format(new Date(at)) : "";
}

/** The day. */
export function day(at) {
  return format("day", { weekday: "short", day: "numeric", month: "short", year: "numeric" }).format(new Date(at));
}

/** The time of the day to the second. */
export function time(at) {
  return format("time", { timeStyle: "medium" }).format(new Date(at));
}

/** Hours and minutes, for charts. */
export function hour(at) {
  return format("hour", { hour: "2-digit", minute: "2-digit" }).format(new Date(at));
}

/** Day and month, for charts. */
export function date(at) {
  return format("date", { day: "numeric", month: "numeric" }).format(new Date(at));
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** `5 minutes ago`. */
export function ago(at) {
  if (!at) return "";
  const seconds = (new Date(at).getTime() - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(Math.round(seconds / length), unit);
}
