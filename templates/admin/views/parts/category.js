// Categories of Devices. Two domains may have categories of the same name; the label then contains the domain.

/** The label of a category in a list. */
export function categoryLabel(all, one) {
  const isAmbiguous = all.some((other) => other !== one && other.name === one.name);
  return isAmbiguous ? `${one.name} (${one.domain ?? one.domainId ?? one.id})` : one.name;
}

/** The names in scopes of settings: `DOMAIN/NAME` where several domains have a category of this name. */
export function categoryNames(all) {
  const isShared = (one) => all.some((other) => other.name === one.name && other.domain !== one.domain);
  return [...new Set(all.map((one) => (one.domain && isShared(one) ? `${one.domain}/${one.name}` : one.name)))];
}

/** What a request for a code calls it. Two Devices apps may have categories of the same id. */
export function categoryReference(all, one) {
  const isUnique = all.filter((other) => other.id === one.id).length === 1;
  return isUnique || !one.domain ? one.id : `${one.domain}/${one.name}`;
}
