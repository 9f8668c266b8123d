// Checks values before they are sent. The gateway checks them again.

const CHECKS = {
  number: (value, kind) =>
    /^\d+$/.test(value) && +value >= kind.min && +value <= kind.max ? null : ["settings.wrong.number", { min: kind.min, max: kind.max }],
  choice: (value, kind) => (kind.words.includes(value) ? null : ["settings.wrong.choice", { words: kind.words.join(", ") }]),
  bool: (value) => (value === "true" || value === "false" ? null : ["settings.wrong.choice", { words: "true, false" }]),
  text: (value, kind) => ([...value].length <= kind.longest ? null : ["settings.wrong.long", { longest: kind.longest }]),
  host: (value) => (/^(\[[0-9a-f:.]+\]|[^\s/:@]+|[0-9a-f:]+)(:\d{1,5})?$/i.test(value) ? null : ["settings.wrong.host", {}]),
  url: (value) => (/^https?:\/\/[^\s]+$/i.test(value) ? null : ["settings.wrong.url", {}]),
  zone: (value) => (/^[A-Za-z_+-]+(\/[A-Za-z0-9_+-]+)*$/.test(value) ? null : ["settings.wrong.zone", {}]),
  country: (value) => (/^[a-z]{2}$/i.test(value) ? null : ["settings.wrong.country", {}]),
  language: (value) => (/^[a-z]{2}$/i.test(value) ? null : ["settings.wrong.language", {}]),
  prefixes: (value) =>
    /^([0-9a-f]{2}[:-]?){3}([\s,]+([0-9a-f]{2}[:-]?){3})*$/i.test(value.trim()) ? null : ["settings.wrong.prefixes", {}],
  "line-keys": (value) => {
    try {
      return Array.isArray(JSON.parse(value)) ? null : ["settings.wrong.keys", {}];
    } catch {
      return ["settings.wrong.keys", {}];
    }
  },
};

/** Returns the problem of a value as a key and its parameters, or null. The empty value is valid where it is the default. */
export function validate(setting, value) {
  if (/[\u0000-\u001f\u007f]/.test(setting.kind.type === "line-keys" ? value.replace(/\s/g, "") : value))
    return ["settings.wrong.control", {}];
  if (value === "") return setting.default === "" || setting.secret ? null : ["settings.wrong.empty", {}];
  return CHECKS[setting.kind.type]?.(value, setting.kind) ?? null;
}
