// The client around the page (myApps): it makes the login and tells scheme and language. Everything is JSON in a text.

const APP = "gangway-admin";
const PATIENCE = 10_000;

/** Whether the page stands in a client's frame. */
export const framed = window.parent !== window;

const asked = new Map();
const heard = { SetScheme: [], SetLang: [], SetMenuState: [] };

function post(message) {
  window.parent.postMessage(JSON.stringify(message), "*");
}

function read(event) {
  if (event.source !== window.parent || typeof event.data !== "string") return;
  let message;
  try {
    message = JSON.parse(event.data);
  } catch {
    return;
  }
  if (message === null || typeof message !== "object") return;
  if (message.mt === "Login") {
    asked.get(message.src)?.(message);
    asked.delete(message.src);
  }
  // The word itself is named differently by clients' versions.
  const told = message.scheme ?? message.lang ?? message.state ?? message.value;
  for (const listener of heard[message.mt] ?? []) listener(told);
}

/** Begins to listen and says that the page is there. */
export function start() {
  if (!framed) return;
  window.addEventListener("message", read);
  post({ mt: "Alive" });
  post({ mt: "SetMenuState", value: "closed" });
}

/** Calls back with what the client tells under `mt`. */
export function on(mt, listener) {
  heard[mt].push(listener);
}

/** Tells the client whether our menu is open. */
export function tellMenu(open) {
  if (framed) post({ mt: "SetMenuState", value: open ? "open" : "closed" });
}

/** Has the client make a login. */
export function clientLogin(challenge) {
  const src = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      asked.delete(src);
      reject(Object.assign(new Error("page.login.client-silent"), { client: true }));
    }, PATIENCE);
    asked.set(src, (answer) => {
      clearTimeout(timer);
      if (answer.error || !answer.digest) {
        const detail = String(answer.errorText ?? answer.error ?? "");
        reject(Object.assign(new Error("page.login.client-refused"), { client: true, detail }));
        return;
      }
      const { app, domain, sip, guid, dn, info, digest, pbxObj } = answer;
      resolve({ app, domain, sip, guid, dn, info, digest, pbxObj });
    });
    post({ mt: "getLogin", src, app: APP, challenge });
  });
}
