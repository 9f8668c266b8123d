// Runs before the first paint: the client that shows this page names its scheme and language in the address.
{
  const asked = new URLSearchParams(location.search);
  const scheme = asked.get("scheme");
  if (scheme === "dark" || scheme === "light") document.documentElement.dataset.scheme = scheme;
  const lang = asked.get("lang");
  if (lang) document.documentElement.lang = lang.slice(0, 2).toLowerCase();
}
