// Categories of Devices. Two domains may have categories of the same name; the label then contains the domain.

/** The label of a category in a list. */
export function categoryLabel(all, one) {
  const isAmbiguous = all.some((other) => other.id !== one.id && other.name === one.name);
  return isAmbiguous ? `${one.name} (${one.domain ?? one.domainId ?? one.id})` : one.name;
}

/** The distinct names. Settings of a category are stored by name. */
export function categoryNames(all) {
  return [...new Set(all.map((one) => one.name))];
}
