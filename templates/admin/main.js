// Entry point of the page: sets language and scheme, connects to the gateway, and shows login, head, notices and one view.

import { html, render } from "./lit/lit-html.js";
import { Head } from "./shell/head.js";
import { Login } from "./shell/login.js";
import { Notices } from "./shell/notices.js";
import { RouterOutlet } from "./shell/router_outlet.js";
import { isOlder } from "./shell/build.js";
import * as myapps from "./transport/myapps.js";
import { GatewayClient } from "./transport/client.js";
import { onLanguage, preferredLanguage, setLanguage, t } from "./text/index.js";

const socket = new URL("../..", import.meta.url);
socket.protocol = socket.protocol === "https:" ? "wss:" : "ws:";

await setLanguage(preferredLanguage());
myapps.on("SetLang", (lang) => setLanguage(String(lang).slice(0, 2).toLowerCase()));
myapps.on("SetScheme", (scheme) => {
  if (scheme === "dark" || scheme === "light") document.documentElement.dataset.scheme = scheme;
});

const root = document.getElementById("page");
root.replaceChildren();
render(
  html`
    <div id="login"></div>
    <div id="workspace" hidden>
      <header id="head"></header>
      <div id="notices" aria-live="polite"></div>
      <main id="content" tabindex="-1"></main>
    </div>
    <div id="toasts" role="status" aria-live="polite"></div>
  `,
  root,
);
const [loginElement, workspace] = [document.getElementById("login"), document.getElementById("workspace")];

const app = { t, hello: null, gateway: null, go: (route) => { location.hash = route.replace(/^#?\/?/, "#/"); }, notify };
const login = new Login(loginElement, () => gateway.start());
const gateway = new GatewayClient(socket.href.replace(/\/$/, ""), (challenge) => login.createLogin(challenge), onHello);
app.gateway = gateway;
const head = new Head(document.getElementById("head"), app);
const notices = new Notices(document.getElementById("notices"), () => gateway.start(), app);
const outlet = new RouterOutlet(document.getElementById("content"), app, (route, title) => {
  document.title = `${title} · gangway`;
  head.setRoute(route);
});

let lostSince = null;
let isLoggedIn = false;

function onHello(hello) {
  if (isOlder(hello.build)) throw new Error("reloading");
  app.hello = hello;
}

gateway.onState((state, detail) => {
  if (state === "open") {
    lostSince = null;
    notices.setLostSince(null);
    login.close();
    workspace.hidden = false;
    if (isLoggedIn) return;
    isLoggedIn = true;
    head.show();
    notices.subscribe(gateway);
    outlet.show();
  } else if (state === "lost") {
    lostSince ??= new Date();
    if (isLoggedIn) notices.setLostSince(lostSince);
    else login.showUnreachable();
  } else if (state === "refused" || state === "no-login") {
    workspace.hidden = true;
    login.show();
    login.failed(state, detail);
  }
});

onLanguage(() => {
  login.refresh();
  notices.show();
  if (isLoggedIn) outlet.reopen();
});

/** Shows a text at the edge of the page for eight seconds. */
function notify(text) {
  const toasts = document.getElementById("toasts");
  const line = document.createElement("p");
  line.textContent = text;
  toasts.append(line);
  setTimeout(() => line.remove(), 8000);
}

myapps.start();
outlet.preload();
if (login.ready) gateway.start();
else login.show();
