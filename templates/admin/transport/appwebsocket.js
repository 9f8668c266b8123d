// One AppWebsocket that is kept up: challenge, login, keep-alive, and a new attempt after every end.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const QUIET = 30_000;
const ANSWER = 10_000;

/**
 * `login(challenge)` makes the AppLogin or rejects; `told(state, detail)` hears `connecting`, `open`, `lost` (detail = ms
 * until the next attempt), `refused` (the gateway does not take the login; detail = null) and `no-login` (none could be made;
 * detail = its error). After `refused` and `no-login` nothing goes on until `start` is called again.
 */
export class AppWebsocket {
  #url;
  #login;
  #told;
  #message;
  #socket = null;
  #pause = FIRST_PAUSE;
  #retry = 0;
  #quiet = 0;

  constructor(url, { login, told, message }) {
    [this.#url, this.#login, this.#told, this.#message] = [url, login, told, message];
    const hurry = () => {
      if (this.#retry && document.visibilityState === "visible") this.start();
    };
    window.addEventListener("online", hurry);
    document.addEventListener("visibilitychange", hurry);
  }

  /** Connects now, whatever was before. */
  start() {
    this.#drop();
    this.#told("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => this.#send({ mt: "AppChallenge" });
    socket.onmessage = (event) => this.#read(socket, event.data);
    socket.onclose = () => this.#lost(socket);
  }

  /** Ends it. */
  stop() {
    this.#drop();
  }

  /** Sends a message; only while the state is `open`. */
  send(message) {
    this.#send(message);
  }

  #send(message) {
    this.#socket?.send(JSON.stringify(message));
    this.#listen();
  }

  #drop() {
    clearTimeout(this.#retry);
    clearTimeout(this.#quiet);
    this.#retry = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  // A line that died without a word is noticed by asking after a quiet while.
  #listen() {
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => {
      this.#socket?.send('{"mt":"KeepAlive"}');
      const socket = this.#socket;
      this.#quiet = setTimeout(() => this.#lost(socket), ANSWER);
    }, QUIET);
  }

  async #read(socket, data) {
    if (socket !== this.#socket) return;
    this.#listen();
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (message.mt === "AppChallengeResult") {
      try {
        const login = await this.#login(message.challenge);
        if (socket === this.#socket) this.#send({ mt: "AppLogin", ...login });
      } catch (error) {
        if (socket !== this.#socket) return;
        this.#drop();
        this.#told("no-login", error);
      }
    } else if (message.mt === "AppLoginResult") {
      if (message.ok) {
        this.#pause = FIRST_PAUSE;
        this.#told("open");
      } else {
        this.#drop();
        this.#told("refused", null);
      }
    } else {
      this.#message(message);
    }
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    this.#drop();
    const wait = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#retry = setTimeout(() => this.start(), wait);
    this.#told("lost", wait);
  }
}
