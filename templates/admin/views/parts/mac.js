// Formatting and parsing of MACs.

/** `80:5e:c0:12:34:56`. */
export function formatMac(mac) {
  return (mac ?? "").replace(/(..)(?=.)/g, "$1:");
}

/** The twelve digits of a MAC in any usual spelling, or null. */
export function parseMac(text) {
  const parsed = text
    .trim()
    .toLowerCase()
    .replace(/[\s:.-]/g, "");
  return /^[0-9a-f]{12}$/.test(parsed) ? parsed : null;
}
