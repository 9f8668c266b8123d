// Requests, answers in parts, and subscriptions that are renewed after a reconnect.

import { AppWebsocket } from "./appwebsocket.js";

const API = "gangway";
const MAX_OPEN = 24;
const ANSWER_TIMEOUT = 90_000;
/** The method that ends each subscription at the gateway. */
const STOP_METHODS = { Devices: "DevicesStop", Phone: "PhoneStop" };

/** A rejected request: `error` is an English sentence, `code` a translatable text, `fields` are such texts by field. */
export class RequestError extends Error {
  constructor(error, code, fields) {
    super(error);
    this.error = error;
    this.code = code;
    this.fields = fields ?? {};
  }
}

const localError = (key) => new RequestError(key, { key, params: {}, text: key });

/** Merges a part of an answer into the earlier parts: lists and `text` are appended to, other fields are replaced. */
export function mergePart(merged, part) {
  if (merged === undefined) return part;
  for (const [name, value] of Object.entries(part)) {
    const earlier = merged[name];
    if (Array.isArray(earlier) && Array.isArray(value)) earlier.push(...value);
    else if (name === "text" && typeof earlier === "string" && typeof value === "string") merged[name] = earlier + value;
    else merged[name] = value;
  }
  return merged;
}

/** Sends requests to the gateway. `state` is the state of the AppWebsocket. */
export class GatewayClient {
  state = "connecting";
  #socket;
  #stateListeners = [];
  #lastSrc = 0;
  #pending = new Map();
  #queue = [];
  #subscriptions = new Map();
  #onHello;

  /** Calls `onHello(answer)` after every login, before any other request. */
  constructor(url, login, onHello) {
    this.#onHello = onHello;
    this.#socket = new AppWebsocket(url, {
      login,
      onState: (state, detail) => this.#onState(state, detail),
      onMessage: (message) => this.#onMessage(message),
    });
  }

  /** Registers a listener for changes of the state. */
  onState(listener) {
    this.#stateListeners.push(listener);
  }

  /** Connects now. */
  start() {
    this.#socket.start();
  }

  /** Disconnects. */
  stop() {
    this.#socket.stop();
    this.#fail("page.connection.lost");
  }

  /**
   * Sends a request. Resolves with the complete answer or rejects with a `RequestError`. Requests are never repeated
   * automatically, because the gateway may have executed them.
   */
  request(mt, params = {}) {
    if (this.state !== "open") return Promise.reject(localError("page.connection.none"));
    return this.#enqueue(mt, params).answer;
  }

  /**
   * Sends a request now and after every reconnect. `onAnswer` receives each complete answer, `onChange(message, mt)` each
   * complete message of the methods in `changes` that belongs to the request. Returns an object: `update(params)` sends the
   * request with other parameters, `stop()` ends the subscription.
   */
  subscribe(mt, params, onAnswer, changes, onChange, onError = () => {}) {
    const methods = [changes].flat();
    const subscription = { src: null, merged: new Map(), methods, onChange };
    const key = Symbol(mt);
    const start = () => {
      subscription.merged.clear();
      if (this.state !== "open") return;
      const { src, answer } = this.#enqueue(mt, params);
      subscription.src = src;
      answer.then(
        (answer) => subscription.src === src && onAnswer(answer),
        (error) => subscription.src === src && this.state === "open" && onError(error),
      );
    };
    subscription.start = start;
    this.#subscriptions.set(key, subscription);
    start();
    return {
      update: (next) => {
        params = next;
        start();
      },
      stop: () => {
        this.#subscriptions.delete(key);
        subscription.src = null;
        if (STOP_METHODS[mt] && this.state === "open") this.#enqueue(STOP_METHODS[mt], {}).answer.catch(() => {});
      },
    };
  }

  #enqueue(mt, params) {
    const src = String((this.#lastSrc += 1));
    const answer = new Promise((resolve, reject) => {
      const request = { mt, message: { mt, api: API, src, ...params }, resolve, reject, merged: undefined };
      if (this.#pending.size < MAX_OPEN) this.#send(src, request);
      else this.#queue.push([src, request]);
    });
    return { src, answer };
  }

  #send(src, request) {
    this.#pending.set(src, request);
    request.timer = setTimeout(() => this.#settle(src, (waiting) => waiting.reject(localError("page.connection.slow"))), ANSWER_TIMEOUT);
    this.#socket.send(request.message);
  }

  #settle(src, finish) {
    const request = this.#pending.get(src);
    if (!request) return;
    clearTimeout(request.timer);
    this.#pending.delete(src);
    finish(request);
    const next = this.#queue.shift();
    if (next) this.#send(...next);
  }

  #onMessage(message) {
    if (message.api !== API) return;
    const request = this.#pending.get(message.src);
    if (request && message.mt === `${request.mt}Result`) {
      if (message.error) {
        this.#settle(message.src, ({ reject }) => reject(new RequestError(message.error, message.code, message.fields)));
        return;
      }
      request.merged = mergePart(request.merged, message);
      if (!message.part) this.#settle(message.src, ({ resolve, merged }) => resolve(merged));
      return;
    }
    for (const subscription of this.#subscriptions.values()) {
      if (subscription.src !== message.src || !subscription.methods.includes(message.mt)) continue;
      const answer = mergePart(subscription.merged.get(message.mt), message);
      if (message.part) subscription.merged.set(message.mt, answer);
      else {
        subscription.merged.delete(message.mt);
        subscription.onChange(answer, message.mt);
      }
    }
  }

  #fail(key) {
    const requests = [...this.#pending.values(), ...this.#queue.map(([, request]) => request)];
    this.#pending.clear();
    this.#queue = [];
    for (const { timer, reject } of requests) {
      clearTimeout(timer);
      reject(localError(key));
    }
  }

  async #onState(state, detail) {
    if (state !== "open") {
      this.#fail("page.connection.lost");
      this.#setState(state, detail);
      return;
    }
    try {
      await this.#onHello(await this.#enqueue("Hello", {}).answer);
    } catch {
      return;
    }
    this.#setState("open");
    for (const subscription of this.#subscriptions.values()) subscription.start();
  }

  #setState(state, detail) {
    this.state = state;
    for (const listener of this.#stateListeners) listener(state, detail);
  }
}
