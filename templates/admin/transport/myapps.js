// Messages between the page and the client that embeds it (myApps). The client creates the login and sends scheme and
// language. Each message is a JSON text.

const APP = "gangway-admin";
const LOGIN_TIMEOUT = 10_000;

/** Whether a client embeds the page. */
export const isFramed = window.parent !== window;

const pendingLogins = new Map();
const listeners = { SetScheme: [], SetLang: [], SetMenuState: [] };

function post(message) {
  window.parent.postMessage(JSON.stringify(message), "*");
}

function onMessage(event) {
  if (event.source !== window.parent || typeof event.data !== "string") return;
  let message;
  try {
    message = JSON.parse(event.data);
  } catch {
    return;
  }
  if (message === null || typeof message !== "object") return;
  if (message.mt === "Login") {
    pendingLogins.get(message.src)?.(message);
    pendingLogins.delete(message.src);
  }
  // The name of the field depends on the client's version.
  const value = message.scheme ?? message.lang ?? message.state ?? message.value;
  for (const listener of listeners[message.mt] ?? []) listener(value);
}

/** Starts listening and announces the page to the client. */
export function start() {
  if (!isFramed) return;
  window.addEventListener("message", onMessage);
  post({ mt: "Alive" });
  post({ mt: "SetMenuState", value: "closed" });
}

/** Registers a listener for the value of the client's message `mt`. */
export function on(mt, listener) {
  listeners[mt].push(listener);
}

/** Informs the client whether the menu is open. */
export function sendMenuState(open) {
  if (isFramed) post({ mt: "SetMenuState", value: open ? "open" : "closed" });
}

/** Requests a login from the client. */
export function clientLogin(challenge) {
  const src = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      pendingLogins.delete(src);
      reject(Object.assign(new Error("page.login.client-silent"), { client: true }));
    }, LOGIN_TIMEOUT);
    pendingLogins.set(src, (answer) => {
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
