// Requests to the server, and what it told the page about itself.
import { signal } from "./vendor/signals.js";

export const config = JSON.parse(document.getElementById("config").textContent);
export const offers = (path) => config.api.includes(path);

const TIMEOUT_MS = 20000;

class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.error || (status ? `The server answered ${status}.` : "The server cannot be reached."));
    this.status = status;
    this.retryAfter = body.retry_after || 0;
  }
}

// Who is logged in here: { id, email }. The session itself is in a cookie that no script can read. Other tabs are told by the storage.
export const session = signal(parsed("session"));
addEventListener("storage", (event) => event.key === "aragora.session" && (session.value = parsed("session")));

export function enter(user) {
  session.value = user && { id: user.id, email: user.email };
  remember("session", session.value && JSON.stringify(session.value));
}

function parsed(name) {
  try {
    return JSON.parse(recall(name));
  } catch {
    return null;
  }
}

// A link that was passed on opens one debate: what reads it says so too.
const share = () => new URLSearchParams(location.search).get("share");
const linked = (method, path) =>
  method === "GET" && share() && path.startsWith(`/api/debates/${location.pathname.slice(3)}`)
    ? `${path}${path.includes("?") ? "&" : "?"}share=${encodeURIComponent(share())}`
    : path;

async function send(method, path, body) {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  try {
    return await fetch(linked(method, path), {
      method,
      headers,
      body: typeof body === "object" ? JSON.stringify(body) : body, // a text goes as it is
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Problem(0, {});
  }
}

// An answer, or a Problem; status 0 means that there was none at all.
export async function ask(method, path, body) {
  const response = await send(method, path, body);
  if (response.status === 401 && !path.startsWith("/api/auth/login")) enter(null); // the session has ended
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  return response;
}

export const call = async (method, path, body) => (await ask(method, path, body)).json();
export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);

// The address of a WebSocket that follows a debate from after an event on.
export function socketFor(id, after) {
  const query = new URLSearchParams({ debate_id: id, after });
  if (share()) query.set("share", share());
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws?${query}`;
}

// Storage may be full or forbidden; the page does without.
export function recall(name) {
  try {
    return localStorage.getItem(`aragora.${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    if (value === null) localStorage.removeItem(`aragora.${name}`);
    else localStorage.setItem(`aragora.${name}`, value);
  } catch {
    // see above
  }
}

let lent = "";

// The name under which votes from here are counted: the account's, or this browser's own, random and kept.
export function voter() {
  if (session.value) return config.voter + session.value.id;
  const known = recall("voter") || lent;
  if (known) return known;
  lent = `guest-${crypto.getRandomValues(new Uint32Array(3)).join("").slice(0, 20)}`;
  remember("voter", lent);
  return lent;
}
