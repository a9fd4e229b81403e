// Prometheus' text format, and what the status page reads from it. Pure.

// name -> [{ labels, value }].
export function parse(text) {
  const found = new Map();
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
    if (!match) continue;
    const labels = {};
    for (const [, name, value] of (match[2] || "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)) labels[name] = value;
    if (!found.has(match[1])) found.set(match[1], []);
    found.get(match[1]).push({ labels, value: Number(match[3]) });
  }
  return found;
}

export const value = (metrics, name) => metrics.get(name)?.[0]?.value ?? 0;
export const count = (metrics, name) => (metrics.get(name) || []).reduce((sum, each) => sum + each.value, 0);

// The upper bound below which a share of the observations lies, from cumulative buckets.
export function quantile(buckets, share) {
  const sorted = [...buckets].sort((a, b) => a.le - b.le);
  const all = sorted.at(-1)?.count || 0;
  return all ? sorted.find((each) => each.count >= share * all).le : null;
}

const ROUTES_MAX = 16;

// What was asked of the API, the busiest route first; files and pages tell an operator nothing.
export function routes(metrics) {
  const found = new Map();
  for (const { labels, value: seen } of metrics.get("aragora_request_duration_seconds_bucket") || []) {
    if (!labels.endpoint.startsWith("/api/")) continue;
    const name = `${labels.method} ${labels.endpoint}`;
    if (!found.has(name)) found.set(name, { name, endpoint: labels.endpoint, buckets: [], failed: 0 });
    found.get(name).buckets.push({ le: labels.le === "+Inf" ? Infinity : Number(labels.le), count: seen });
  }
  for (const { labels, value: seen } of metrics.get("aragora_request_total") || []) {
    const row = found.get(`${labels.method} ${labels.endpoint}`);
    if (row && labels.status.startsWith("5")) row.failed += seen;
  }
  return [...found.values()]
    .map((row) => ({ ...row, count: Math.max(...row.buckets.map((each) => each.count)) }))
    .filter((row) => row.count)
    .sort((a, b) => b.count - a.count)
    .slice(0, ROUTES_MAX);
}
