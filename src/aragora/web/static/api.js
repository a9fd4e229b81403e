// Requests to the server, and what it told the page about itself.
export const config = JSON.parse(document.getElementById("config").textContent);
export const offers = (path) => config.api.includes(path);

const TIMEOUT_MS = 20000;

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.error || (status ? `The server answered ${status}.` : "The server cannot be reached."));
    this.status = status;
    this.code = body.code || "";
    this.errors = body.errors || [];
    this.retryAfter = body.retry_after || 0;
  }
}

// Parsed JSON, or a Problem; status 0 means that there was no answer at all.
export async function call(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new Problem(0, {});
  }
  const data = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, data);
  return data;
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);

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

// The name under which this browser votes: random, kept, and nobody else's.
export function voter() {
  const known = recall("voter") || lent;
  if (known) return known;
  lent = `guest-${crypto.getRandomValues(new Uint32Array(3)).join("").slice(0, 20)}`;
  remember("voter", lent);
  return lent;
}
