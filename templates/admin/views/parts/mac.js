// A MAC as people read it.

/** `80:5e:c0:12:34:56`. */
export function spelled(mac) {
  return (mac ?? "").replace(/(..)(?=.)/g, "$1:");
}

/** The twelve digits of a MAC in any usual spelling, or null. */
export function digits(typed) {
  const found = typed
    .trim()
    .toLowerCase()
    .replace(/[\s:.-]/g, "");
  return /^[0-9a-f]{12}$/.test(found) ? found : null;
}
