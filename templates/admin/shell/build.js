// Reloads the page once when the gateway runs another build than the page.

const OWN_BUILD = new URL(import.meta.url).pathname.split("/").at(-3);
const RELOADED_FOR = "gangway.reloaded-for";

/** Reloads the page if it is of another build. Returns whether it reloads. */
export function isOlder(build) {
  if (build === OWN_BUILD) return false;
  try {
    if (sessionStorage.getItem(RELOADED_FOR) === build) return false;
    sessionStorage.setItem(RELOADED_FOR, build);
  } catch {
    // Without storage the page cannot know that it has reloaded already. It keeps the old build, because it would reload
    // endlessly otherwise.
    return false;
  }
  location.reload();
  return true;
}
