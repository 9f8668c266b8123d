// An AppWebsocket connection: challenge, login, keep-alive, and reconnect after every loss.

const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;
const IDLE = 30_000;
const ANSWER_TIMEOUT = 10_000;

/**
 * `login(challenge)` returns the AppLogin or rejects. `onState(state, detail)` is called with `connecting`, `open`, `lost`
 * (detail = ms until the next attempt), `refused` (the gateway rejected the login; detail = null) and `no-login` (`login`
 * rejected; detail = its error). After `refused` and `no-login` the caller has to call `start` again.
 */
export class AppWebsocket {
  #url;
  #login;
  #onState;
  #onMessage;
  #socket = null;
  #pause = FIRST_PAUSE;
  #retryTimer = 0;
  #keepAliveTimer = 0;

  constructor(url, { login, onState, onMessage }) {
    [this.#url, this.#login, this.#onState, this.#onMessage] = [url, login, onState, onMessage];
    const retryNow = () => {
      if (this.#retryTimer && document.visibilityState === "visible") this.start();
    };
    window.addEventListener("online", retryNow);
    document.addEventListener("visibilitychange", retryNow);
  }

  /** Connects now and replaces an open connection. */
  start() {
    this.#disconnect();
    this.#onState("connecting");
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => this.#send({ mt: "AppChallenge" });
    socket.onmessage = (event) => this.#onText(socket, event.data);
    socket.onclose = () => this.#reconnect(socket);
  }

  /** Disconnects and does not reconnect. */
  stop() {
    this.#disconnect();
  }

  /** Sends a message; only while the state is `open`. */
  send(message) {
    this.#send(message);
  }

  #send(message) {
    this.#socket?.send(JSON.stringify(message));
    this.#scheduleKeepAlive();
  }

  #disconnect() {
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#keepAliveTimer);
    this.#retryTimer = 0;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  // A keep-alive after an idle period detects a dead connection.
  #scheduleKeepAlive() {
    clearTimeout(this.#keepAliveTimer);
    this.#keepAliveTimer = setTimeout(() => {
      this.#socket?.send('{"mt":"KeepAlive"}');
      const socket = this.#socket;
      this.#keepAliveTimer = setTimeout(() => this.#reconnect(socket), ANSWER_TIMEOUT);
    }, IDLE);
  }

  async #onText(socket, data) {
    if (socket !== this.#socket) return;
    this.#scheduleKeepAlive();
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
        this.#disconnect();
        this.#onState("no-login", error);
      }
    } else if (message.mt === "AppLoginResult") {
      if (message.ok) {
        this.#pause = FIRST_PAUSE;
        this.#onState("open");
      } else {
        this.#disconnect();
        this.#onState("refused", null);
      }
    } else {
      this.#onMessage(message);
    }
  }

  #reconnect(socket) {
    if (socket !== this.#socket) return;
    this.#disconnect();
    const pause = this.#pause * (0.5 + Math.random() / 2);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    this.#retryTimer = setTimeout(() => this.start(), pause);
    this.#onState("lost", pause);
  }
}
