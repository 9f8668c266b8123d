// Runs before the first paint. The client that embeds the page passes scheme and language in the address.
{
  const params = new URLSearchParams(location.search);
  const scheme = params.get("scheme");
  if (scheme === "dark" || scheme === "light") document.documentElement.dataset.scheme = scheme;
  const lang = params.get("lang");
  if (lang) document.documentElement.lang = lang.slice(0, 2).toLowerCase();
}
