// Routes are in the fragment of the address: `#/devices/805ec0123456?filter=stuck`.

/** The views by name. A view's module is loaded on first use. */
const VIEWS = {
  devices: () => import("../views/devices.js"),
  phone: () => import("../views/phone.js"),
  config: () => import("../views/config.js"),
  history: () => import("../views/history.js"),
  settings: () => import("../views/settings.js"),
  import: () => import("../views/import.js"),
  connections: () => import("../views/connections.js"),
  tokens: () => import("../views/tokens.js"),
  about: () => import("../views/about.js"),
};

/** Parses a fragment into `{view, tab, args, query}`. */
export function parseRoute(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const segments = path.split("/").filter(Boolean).map(decodePart);
  const [first = "devices", ...args] = segments;
  const tab = first in VIEWS && first !== "phone" && first !== "config" ? first : "devices";
  let view = tab;
  if (tab === "devices" && args.length > 0) view = args[1] === "config" ? "config" : "phone";
  return { view, tab, args, query: Object.fromEntries(new URLSearchParams(search)) };
}

function decodePart(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Returns the address of a route: `address("devices", mac)`, `address("devices", {stuck: "1"})`. */
export function address(...parts) {
  const segments = parts.filter((part) => typeof part !== "object").map(encodeURIComponent);
  const query = parts.find((part) => typeof part === "object") ?? {};
  const filled = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = new URLSearchParams(filled).toString();
  return `#/${segments.join("/")}${search ? `?${search}` : ""}`;
}

/** Loads a view. */
export const loadView = async (name) => (await VIEWS[name]()).view;
