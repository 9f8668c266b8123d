// Categories of Devices: two domains may have one of the same name, then the domain tells them apart.

/** What a list shows for one of several categories. */
export function label(all, one) {
  const twin = all.some((other) => other.id !== one.id && other.name === one.name);
  return twin ? `${one.name} (${one.domain ?? one.domainId ?? one.id})` : one.name;
}

/** The names, each once: the layer of settings goes by name. */
export function names(all) {
  return [...new Set(all.map((one) => one.name))];
}
