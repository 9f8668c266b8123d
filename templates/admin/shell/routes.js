// Routes live in the address behind `#`: `#/devices/805ec0123456?filter=stuck`.

/** Who shows what: the first word, and for some the third. A view's module is fetched when it is first wanted. */
const VIEWS = {
  devices: () => import("../views/devices.js"),
  phone: () => import("../views/phone.js"),
  config: () => import("../views/config.js"),
  history: () => import("../views/history.js"),
  settings: () => import("../views/settings.js"),
  import: () => import("../views/import.js"),
  connections: () => import("../views/connections.js"),
  about: () => import("../views/about.js"),
};

/** What an address means: `{view, tab, args, query}`. */
export function read(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const words = path.split("/").filter(Boolean).map(decoded);
  const [first = "devices", ...args] = words;
  const tab = first in VIEWS && first !== "phone" && first !== "config" ? first : "devices";
  let view = tab;
  if (tab === "devices" && args.length > 0) view = args[1] === "config" ? "config" : "phone";
  return { view, tab, args, query: Object.fromEntries(new URLSearchParams(search)) };
}

function decoded(word) {
  try {
    return decodeURIComponent(word);
  } catch {
    return word;
  }
}

/** The address of a route: `address("devices", mac)`, `address("devices", {stuck: "1"})`. */
export function address(...parts) {
  const words = parts.filter((part) => typeof part !== "object").map(encodeURIComponent);
  const query = parts.find((part) => typeof part === "object") ?? {};
  const kept = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = new URLSearchParams(kept).toString();
  return `#/${words.join("/")}${search ? `?${search}` : ""}`;
}

/** The module of a view. */
export const load = async (name) => (await VIEWS[name]()).view;
