// A page of another build than the gateway's loads itself anew, once; then it can only say so.

const OWN = new URL(import.meta.url).pathname.split("/").at(-3);
const TRIED = "gangway.reloaded-for";

/** Whether the page is of another build and is being loaded anew. */
export function isOlder(build) {
  if (build === OWN) return false;
  try {
    if (sessionStorage.getItem(TRIED) === build) return false;
    sessionStorage.setItem(TRIED, build);
  } catch {
    // Without storage nothing tells a second try from a first: better an old page than one that never rests.
    return false;
  }
  location.reload();
  return true;
}
