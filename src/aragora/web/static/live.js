// Follows one debate: the log by number, over WebSocket, and again from the last number whenever the line was cut.
import { get, socketFor } from "./api.js";

const BACKOFF_MS = [300, 700, 1500, 3000, 5000, 8000];
const SILENCE_MS = 15000; // after so long without a word, ask whether anybody is there
const ANSWER_MS = 8000;
const PAGE = 500;

// `on` has: event(frame) -> false | null | true, piece(frame), line("live" | "lost" | "over"), gone(problem).
export class Live {
  constructor(id, on) {
    this.id = id;
    this.on = on;
    this.last = 0;
    this.tries = 0;
    this.closed = false;
    this.socket = null;
    this.timers = new Set();
    this.wake = () => {
      if (document.visibilityState === "visible" && !this.socket && this.waiting) this.now();
    };
    addEventListener("online", this.wake);
    document.addEventListener("visibilitychange", this.wake);
    this.begin();
  }

  close() {
    this.closed = true;
    removeEventListener("online", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
    for (const timer of this.timers) clearTimeout(timer);
    this.socket?.close();
    this.socket = null;
  }

  after(ms, work) {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      work();
    }, ms);
    this.timers.add(timer);
    return timer;
  }

  stop(timer) {
    clearTimeout(timer);
    this.timers.delete(timer);
  }

  // Read what the log has, then listen for more. The log alone is enough where WebSockets are not let through.
  async begin() {
    try {
      for (let more = true; more && !this.closed; ) {
        const page = await get(`/api/debates/${this.id}/events?after=${this.last}&limit=${PAGE}`);
        for (const event of page.events) this.take(event);
        more = page.has_more && page.events.length > 0;
      }
    } catch (problem) {
      if (this.closed) return;
      if (problem.status === 404 || problem.status === 401 || problem.status === 403) return this.on.gone(problem);
      return this.lost(problem.retryAfter * 1000);
    }
    if (!this.closed && !this.over) this.connect();
  }

  connect() {
    const socket = new WebSocket(socketFor(this.id, this.last));
    this.socket = socket;
    socket.onmessage = ({ data }) => {
      if (socket !== this.socket) return;
      this.heard();
      this.frame(JSON.parse(data));
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.stop(this.silence);
      if (!this.closed && !this.over) this.lost();
    };
    this.heard();
  }

  heard() {
    this.stop(this.silence);
    this.silence = this.after(SILENCE_MS, () => {
      if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type: "ping", ts: Date.now() }));
      this.silence = this.after(ANSWER_MS, () => this.drop());
    });
  }

  drop() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    if (!this.closed && !this.over) this.lost();
  }

  frame(event) {
    if (event.seq) return this.take(event);
    if (event.type === "subscribed") {
      this.tries = 0;
      this.on.line("live");
    } else if (event.type === "agent_thinking" || event.type === "agent_delta") {
      this.on.piece(event);
    }
  }

  take(event) {
    const taken = this.on.event(event);
    if (taken === null) return this.drop(); // a number is missing: read on from the last one that is not
    this.last = Math.max(this.last, event.seq);
    if (event.type === "debate_end") {
      this.over = true;
      this.on.line("over");
      this.close();
    }
  }

  lost(atLeast = 0) {
    this.on.line("lost");
    const wait = BACKOFF_MS[Math.min(this.tries, BACKOFF_MS.length - 1)];
    this.tries += 1;
    this.waiting = this.after(Math.max(atLeast, wait * (0.75 + Math.random() / 2)), () => this.now());
  }

  now() {
    this.stop(this.waiting);
    this.waiting = null;
    if (!this.closed) this.begin();
  }
}
