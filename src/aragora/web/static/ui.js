// Small things that several pages show.
import { html, useEffect, useLayoutEffect, useRef, useState, signal } from "./dom.js";
import { config } from "./api.js";
import { fragment } from "./text.js";

// Icons, drawn on a grid of 20 with a line of 1.6.
const ICONS = {
  plus: "M10 4v12M4 10h12",
  x: "M5 5l10 10M15 5L5 15",
  minus: "M4 10h12",
  check: "M4 10.500l4 4 8-9",
  share: "M8 11l5-5M9.500 5.500l1.700-1.700a3.400 3.400 0 0 1 4.900 4.900l-1.800 1.700M10.500 14.500l-1.700 1.700a3.400 3.400 0 0 1-4.900-4.900l1.800-1.700",
  down: "M10 3v10M6 9.500l4 4 4-4M4 17h12",
  stop: "M6 6h8v8H6z",
  pause: "M7 5v10M13 5v10",
  play: "M7 4.500l8 5.500-8 5.500z",
  shift: "M4 7h11M12 4l3 3-3 3M16 13H5M8 10l-3 3 3 3",
  live: "M10 10h.01M6.500 13.500a5 5 0 0 1 0-7M13.500 6.500a5 5 0 0 1 0 7M4 16a8.500 8.500 0 0 1 0-12M16 4a8.500 8.500 0 0 1 0 12",
  sun: "M10 6.500a3.500 3.500 0 1 1 0 7 3.500 3.500 0 0 1 0-7zM10 2v1.500M10 16.500V18M2 10h1.500M16.500 10H18M4.300 4.300l1.100 1.100M14.600 14.600l1.100 1.100M15.700 4.300l-1.100 1.100M5.400 14.600l-1.100 1.100",
  moon: "M16 12.200A6.700 6.700 0 0 1 7.800 4a6.700 6.700 0 1 0 8.200 8.200z",
  auto: "M10 3a7 7 0 1 0 0 14zM10 3a7 7 0 0 1 0 14",
  search: "M9 4a5 5 0 1 1 0 10A5 5 0 0 1 9 4zM13 13l4 4",
  arrow: "M4 10h12M11 5l5 5-5 5",
  alert: "M10 3l8 14H2zM10 8v4M10 14.500v.01",
};

export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;

export const words = (table, name) => config[table]?.[name] ?? name;
export const percent = (share) => `${Math.round(100 * share)} %`;
export const plural = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;

function initials(name) {
  const short = name.split(":").pop();
  const number = /-(\d+)$/.exec(short);
  return (short[0] || "?").toUpperCase() + (number ? number[1].slice(0, 2) : "");
}

export const Avatar = ({ name, place }) => html`<span class=${`avatar s${place % 8}`} aria-hidden="true">${initials(name)}</span>`;

// A seat by its name: its colour and letter, and the name itself.
export function Chip({ name, seats }) {
  const place = seats.findIndex((seat) => seat.name === name);
  return place < 0
    ? html`<span class="chip">${name}</span>`
    : html`<span class=${`chip tint s${place % 8}`}>${name}</span>`;
}

// A finished text of a model.
export function Prose({ text, seats = [], className = "" }) {
  const place = useRef(null);
  useLayoutEffect(() => place.current.replaceChildren(fragment(text, seats)), [text]);
  return html`<div class=${`prose ${className}`} ref=${place}></div>`;
}

export const Badge = ({ status, outcome }) => {
  const name = outcome ? words("outcomes", outcome)[0] : { pending: "Waiting", active: "Live", paused: "Paused" }[status] || status;
  return html`<span class=${`badge o-${outcome || status}`}>${name}</span>`;
};

export function when(timestamp) {
  const then = new Date(timestamp);
  const minutes = Math.round((Date.now() - then) / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 60 * 24) return `${Math.round(minutes / 60)} h ago`;
  return then.toLocaleDateString(undefined, { year: "numeric", month: "short", day: "numeric" });
}

// What screen readers are told, politely and not too often.
const said = signal("");
let queue = [];
let timer = 0;

export function announce(text) {
  queue.push(text);
  if (timer) return;
  timer = setTimeout(() => {
    timer = 0;
    said.value = queue.slice(-4).join(" ");
    queue = [];
  }, 900);
}

export const Announcer = () => html`<div class="sr" role="status" aria-live="polite">${said.value}</div>`;

export const Fault = ({ problem }) =>
  problem &&
  html`<div class="notice bad" role="alert"><${Icon} name="alert" /><span>${problem.status === 401 ? html`This needs an account: <a href="/account">log in</a>.` : problem.message}${problem.retryAfter ? ` Try again in ${problem.retryAfter} s.` : ""}</span></div>`;

// Data that is asked for again every `ms` while the page is seen; `value` stays while the next is on its way.
export function usePolled(load, ms, deps) {
  const [state, set] = useState({ value: null, problem: null });
  useEffect(() => {
    let over = false;
    let next = 0;
    const again = async () => {
      clearTimeout(next);
      try {
        if (document.visibilityState === "visible" || state.value === null) {
          const value = await load();
          if (!over) set({ value, problem: null });
        }
      } catch (problem) {
        if (!over) set((old) => ({ value: old.value, problem }));
      }
      if (!over && ms) next = setTimeout(again, ms);
    };
    again();
    return () => {
      over = true;
      clearTimeout(next);
    };
  }, deps);
  return state;
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

export function save(name, text, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
