// Texts that are being written right now, and the clock that puts them on the page: at most so often, and only what is new.
import { Stream } from "./text.js";
import { html, useLayoutEffect, useRef } from "./dom.js";

const FLUSH_MS = 50;

export class Streams {
  constructor() {
    this.open = new Map(); // `${round}/${phase}/${seat}` -> { text, views }
    this.dirty = new Set();
    this.timer = 0;
  }

  // Begin a text; `whole` says that it is heard from its first word on.
  begin(key, whole) {
    const known = this.open.get(key);
    if (known) return known;
    const made = { key, text: whole ? "" : "… ", views: new Set() };
    this.open.set(key, made);
    return made;
  }

  add(key, text) {
    const stream = this.begin(key, false);
    stream.text += text;
    for (const view of stream.views) view.add(text);
    this.dirty.add(stream);
    if (!this.timer) this.timer = setTimeout(() => this.flush(), FLUSH_MS);
  }

  flush() {
    this.timer = 0;
    const start = performance.now();
    for (const stream of this.dirty) for (const view of stream.views) view.flush();
    this.dirty.clear();
    performance.measure("aragora.flush", { start, end: performance.now() });
    performance.clearMeasures("aragora.flush");
  }

  end(key) {
    this.open.delete(key);
  }

  // The line was cut: what comes next does not follow what came before.
  cut() {
    for (const key of this.open.keys()) this.add(key, " … ");
  }

  clear() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.open.clear();
    this.dirty.clear();
  }
}

export function Writing({ stream, seats }) {
  const place = useRef(null);
  useLayoutEffect(() => {
    const view = new Stream(place.current, seats);
    view.add(stream.text);
    view.flush();
    stream.views.add(view);
    return () => stream.views.delete(view);
  }, [stream]);
  return html`<div class="prose writing" ref=${place} aria-busy="true"></div>`;
}
