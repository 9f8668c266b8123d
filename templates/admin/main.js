// Puts the page together: language and scheme, the way in, head, notices, one view at a time.

import { html, render } from "./lit/lit-html.js";
import { Head } from "./shell/head.js";
import { Login } from "./shell/login.js";
import { Notices } from "./shell/notices.js";
import { RouterOutlet } from "./shell/router_outlet.js";
import { isOlder } from "./shell/build.js";
import * as myapps from "./transport/myapps.js";
import { GatewayClient } from "./transport/client.js";
import { onLanguage, preferred, speak, t } from "./text/index.js";

const socket = new URL("../..", import.meta.url);
socket.protocol = socket.protocol === "https:" ? "wss:" : "ws:";

await speak(preferred());
myapps.on("SetLang", (lang) => speak(String(lang).slice(0, 2).toLowerCase()));
myapps.on("SetScheme", (scheme) => {
  if (scheme === "dark" || scheme === "light") document.documentElement.dataset.scheme = scheme;
});

const root = document.getElementById("page");
root.replaceChildren();
render(
  html`
    <div id="login"></div>
    <div id="inside" hidden>
      <header id="head"></header>
      <div id="notices" aria-live="polite"></div>
      <main id="stage" tabindex="-1"></main>
    </div>
    <div id="said" role="status" aria-live="polite"></div>
  `,
  root,
);
const [place, inside] = [document.getElementById("login"), document.getElementById("inside")];

const app = { t, hello: null, talk: null, go: (route) => { location.hash = route.replace(/^#?\/?/, "#/"); }, say };
const login = new Login(place, () => talk.start());
const talk = new GatewayClient(socket.href.replace(/\/$/, ""), (challenge) => login.make(challenge), greet);
app.talk = talk;
const head = new Head(document.getElementById("head"), app);
const notices = new Notices(document.getElementById("notices"), () => talk.start(), app);
const stage = new RouterOutlet(document.getElementById("stage"), app, (route, title) => {
  document.title = `${title} · gangway`;
  head.at(route);
});

let lostAt = null;
let entered = false;

function greet(hello) {
  if (isOlder(hello.build)) throw new Error("reloading");
  app.hello = hello;
}

talk.onState((state, detail) => {
  if (state === "open") {
    lostAt = null;
    notices.lost(null);
    login.done();
    inside.hidden = false;
    if (entered) return;
    entered = true;
    head.show();
    notices.follow(talk);
    stage.show();
  } else if (state === "lost") {
    lostAt ??= new Date();
    if (entered) notices.lost(lostAt);
    else login.lost();
  } else if (state === "refused" || state === "no-login") {
    inside.hidden = true;
    login.ask();
    login.failed(state, detail);
  }
});

onLanguage(() => {
  login.again();
  notices.show();
  if (entered) stage.again();
});

/** Tells something in passing. */
function say(text) {
  const said = document.getElementById("said");
  const line = document.createElement("p");
  line.textContent = text;
  said.append(line);
  setTimeout(() => line.remove(), 8000);
}

myapps.start();
stage.prepare();
if (login.ready) talk.start();
else login.ask();
