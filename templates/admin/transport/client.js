// Requests, answers in parts, and subscriptions that live through a lost connection.

import { AppWebsocket } from "./appwebsocket.js";

const API = "gangway";
const MOST_OPEN = 24;
const PATIENCE = 90_000;
/** What ends a subscription at the gateway. */
const STOPS = { Devices: "DevicesStop", Phone: "PhoneStop" };

/** Why a request was not carried out: `error` for people, `code` a text, `fields` texts by field. */
export class Refusal extends Error {
  constructor(error, code, fields) {
    super(error);
    this.error = error;
    this.code = code;
    this.fields = fields ?? {};
  }
}

const page = (key) => new Refusal(key, { key, params: {}, text: key });

/** Joins a part to those before it: lists and a long `text` are continued, everything else is replaced. */
export function joined(parts, part) {
  if (parts === undefined) return part;
  for (const [name, value] of Object.entries(part)) {
    const before = parts[name];
    if (Array.isArray(before) && Array.isArray(value)) before.push(...value);
    else if (name === "text" && typeof before === "string" && typeof value === "string") parts[name] = before + value;
    else parts[name] = value;
  }
  return parts;
}

/** The line to the gateway. `state` is that of the AppWebsocket. */
export class GatewayClient {
  state = "connecting";
  #line;
  #states = [];
  #count = 0;
  #open = new Map();
  #waiting = [];
  #followed = new Map();
  #hello;

  /** `hello(answer)` hears who is there, after every login and before anything else is asked. */
  constructor(url, login, hello) {
    this.#hello = hello;
    this.#line = new AppWebsocket(url, {
      login,
      told: (state, detail) => this.#turn(state, detail),
      message: (message) => this.#hear(message),
    });
  }

  /** Calls back with every change of the state. */
  onState(listener) {
    this.#states.push(listener);
  }

  /** Connects now. */
  start() {
    this.#line.start();
  }

  /** Hangs up. */
  stop() {
    this.#line.stop();
    this.#fail("page.connection.lost");
  }

  /** Asks; the whole answer, or a `Refusal`. Nothing is asked again by itself: it might have been carried out. */
  ask(mt, params = {}) {
    if (this.state !== "open") return Promise.reject(page("page.connection.none"));
    return this.#request(mt, params).answer;
  }

  /**
   * Asks, and again after every reconnect: `onAnswer` gets each whole answer, `onChange(message, mt)` each whole message of the names
   * in `changes` that belongs to it. `again(params)` replaces what is followed, `stop()` ends it.
   */
  follow(mt, params, onAnswer, changes, onChange, onRefused = () => {}) {
    const names = [changes].flat();
    const followed = { src: null, parts: new Map(), names, onChange };
    const key = Symbol(mt);
    const begin = () => {
      followed.parts.clear();
      if (this.state !== "open") return;
      const { src, answer } = this.#request(mt, params);
      followed.src = src;
      answer.then(
        (whole) => followed.src === src && onAnswer(whole),
        (refusal) => followed.src === src && this.state === "open" && onRefused(refusal),
      );
    };
    followed.begin = begin;
    this.#followed.set(key, followed);
    begin();
    return {
      again: (next) => {
        params = next;
        begin();
      },
      stop: () => {
        this.#followed.delete(key);
        followed.src = null;
        if (STOPS[mt] && this.state === "open") this.#request(STOPS[mt], {}).answer.catch(() => {});
      },
    };
  }

  #request(mt, params) {
    const src = String((this.#count += 1));
    const answer = new Promise((resolve, reject) => {
      const request = { mt, message: { mt, api: API, src, ...params }, resolve, reject, parts: undefined };
      if (this.#open.size < MOST_OPEN) this.#send(src, request);
      else this.#waiting.push([src, request]);
    });
    return { src, answer };
  }

  #send(src, request) {
    this.#open.set(src, request);
    request.timer = setTimeout(() => this.#settle(src, (waiting) => waiting.reject(page("page.connection.slow"))), PATIENCE);
    this.#line.send(request.message);
  }

  #settle(src, how) {
    const request = this.#open.get(src);
    if (!request) return;
    clearTimeout(request.timer);
    this.#open.delete(src);
    how(request);
    const next = this.#waiting.shift();
    if (next) this.#send(...next);
  }

  #hear(message) {
    if (message.api !== API) return;
    const request = this.#open.get(message.src);
    if (request && message.mt === `${request.mt}Result`) {
      if (message.error) {
        this.#settle(message.src, ({ reject }) => reject(new Refusal(message.error, message.code, message.fields)));
        return;
      }
      request.parts = joined(request.parts, message);
      if (!message.part) this.#settle(message.src, ({ resolve, parts }) => resolve(parts));
      return;
    }
    for (const followed of this.#followed.values()) {
      if (followed.src !== message.src || !followed.names.includes(message.mt)) continue;
      const whole = joined(followed.parts.get(message.mt), message);
      if (message.part) followed.parts.set(message.mt, whole);
      else {
        followed.parts.delete(message.mt);
        followed.onChange(whole, message.mt);
      }
    }
  }

  #fail(key) {
    const requests = [...this.#open.values(), ...this.#waiting.map(([, request]) => request)];
    this.#open.clear();
    this.#waiting = [];
    for (const { timer, reject } of requests) {
      clearTimeout(timer);
      reject(page(key));
    }
  }

  async #turn(state, detail) {
    if (state !== "open") {
      this.#fail("page.connection.lost");
      this.#say(state, detail);
      return;
    }
    try {
      await this.#hello(await this.#request("Hello", {}).answer);
    } catch {
      return;
    }
    this.#say("open");
    for (const followed of this.#followed.values()) followed.begin();
  }

  #say(state, detail) {
    this.state = state;
    for (const listener of this.#states) listener(state, detail);
  }
}
