// How the server does, for those who run it: readiness, load, latency by route, answers of providers.
import { html, useEffect, useRef, useState } from "../dom.js";
import { Fault } from "../ui.js";

const EVERY_MS = 3000;
const SAMPLES_MAX = 200;
const SLO = { "/api/health": 0.1 };
const SLO_DEFAULT_S = 0.2;

// Prometheus' text format: name -> [{ labels, value }].
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

const one = (metrics, name) => metrics.get(name)?.[0]?.value ?? 0;

// The upper bound below which a share of the observations lies, from cumulative buckets.
function quantile(buckets, share) {
  const sorted = [...buckets].sort((a, b) => a.le - b.le);
  const all = sorted.at(-1)?.count || 0;
  return all ? sorted.find(({ count }) => count >= share * all).le : null;
}

function routes(metrics) {
  const found = new Map();
  for (const { labels, value } of metrics.get("aragora_request_duration_seconds_bucket") || []) {
    const name = `${labels.method} ${labels.endpoint}`;
    if (!found.has(name)) found.set(name, { name, endpoint: labels.endpoint, buckets: [], failed: 0 });
    found.get(name).buckets.push({ le: labels.le === "+Inf" ? Infinity : Number(labels.le), count: value });
  }
  for (const { labels, value } of metrics.get("aragora_request_total") || []) {
    const row = found.get(`${labels.method} ${labels.endpoint}`);
    if (row && labels.status.startsWith("5")) row.failed += value;
  }
  return [...found.values()]
    .map((row) => ({ ...row, count: Math.max(...row.buckets.map((each) => each.count)) }))
    .filter((row) => row.count)
    .sort((a, b) => b.count - a.count)
    .slice(0, 16);
}

const ms = (seconds) => (seconds == null ? "–" : seconds === Infinity ? "> 10 s" : seconds < 1 ? `≤ ${+(1000 * seconds).toFixed(2)} ms` : `≤ ${seconds} s`);

async function sample() {
  const [ready, text] = await Promise.all([fetch("/readyz").then((r) => r.json()), fetch("/metrics").then((r) => r.text())]);
  return { ready, metrics: parse(text), at: Date.now() / 1000 };
}

export function Status() {
  const [now, setNow] = useState(null);
  const [problem, setProblem] = useState(null);
  const series = useRef({ at: [], active: [], rate: [] });
  useEffect(() => {
    let over = false;
    let timer = 0;
    let before = null;
    const again = async () => {
      try {
        const taken = await sample();
        if (over) return;
        const total = (taken.metrics.get("aragora_request_total") || []).reduce((sum, { value }) => sum + value, 0);
        const { at, active, rate } = series.current;
        if (before) {
          at.push(taken.at);
          active.push(one(taken.metrics, "aragora_active_debates"));
          rate.push(Math.max(0, total - before.total) / (taken.at - before.at));
          if (at.length > SAMPLES_MAX) for (const each of [at, active, rate]) each.shift();
        }
        before = { total, at: taken.at };
        setNow(taken);
        setProblem(null);
      } catch {
        if (!over) setProblem({ message: "The server does not answer." });
      }
      if (!over) timer = setTimeout(again, EVERY_MS);
    };
    again();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, []);
  return html`<div class="narrow">
    <h1>Status</h1>
    <${Fault} problem=${problem} />
    ${now ? html`<${Now} now=${now} series=${series.current} />` : html`<p class="muted">Loading …</p>`}
  </div>`;
}

function Now({ now: { ready, metrics, at }, series }) {
  const memory = one(metrics, "aragora_memory_bytes") / 2 ** 20;
  const tiles = [
    ["Active debates", one(metrics, "aragora_active_debates")],
    ["Waiting", one(metrics, "aragora_queued_debates")],
    ["Watchers", one(metrics, "aragora_ws_connections")],
    ["Memory", `${memory.toFixed(0)} MB`],
    ["Processor", `${one(metrics, "aragora_cpu_usage").toFixed(0)} %`],
    ["Up since", new Date(1000 * (at - ready.uptime_seconds)).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })],
  ];
  return html`
    <p class=${`notice ${ready.status === "healthy" ? "good" : "bad"}`} role="status">
      <strong>${ready.status === "healthy" ? "Takes work." : "Takes no work."}</strong>
      ${Object.entries(ready.checks).map(([name, state]) => html` <span key=${name}>${name}: ${state}.</span>`)} Version ${ready.version}.
    </p>
    <dl class="tiles">${tiles.map(([name, value]) => html`<div key=${name} class="card"><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
    <section class="card" aria-labelledby="load"><h2 id="load">Since this page was opened</h2>
      <${Chart} series=${series} length=${series.at.length} /></section>
    <section aria-labelledby="routes"><h2 id="routes">Requests</h2>
      <div class="scroll card flush" tabindex="0" role="region" aria-label="Requests by route"><table class="figures">
        <thead><tr><th scope="col">Route</th><th scope="col" class="n">Answered</th><th scope="col" class="n">Faults</th><th scope="col" class="n">Median</th><th scope="col" class="n">99 of 100</th></tr></thead>
        <tbody>${routes(metrics).map((row) => {
          const p99 = quantile(row.buckets, 0.99);
          const slow = p99 > (SLO[row.endpoint] ?? SLO_DEFAULT_S);
          return html`<tr key=${row.name}><th scope="row"><code>${row.name}</code></th><td class="n">${row.count}</td><td class=${`n ${row.failed ? "hot" : ""}`}>${row.failed}</td>
            <td class="n">${ms(quantile(row.buckets, 0.5))}</td><td class=${`n ${slow ? "hot" : ""}`}>${ms(p99)}</td></tr>`;
        })}</tbody></table></div></section>
    <${Turns} metrics=${metrics} />`;
}

// Whatever counts turns by provider and how they came out.
function Turns({ metrics }) {
  const rows = new Map();
  for (const [name, cells] of metrics) {
    if (!/_total$/.test(name)) continue;
    for (const { labels, value } of cells) {
      if (!labels.provider || !value) continue;
      const row = rows.get(labels.provider) || { answered: 0, missed: new Map() };
      const how = labels.fault || labels.result || labels.outcome || labels.status || "spoke";
      if (how === "spoke" || how === "ok") row.answered += value;
      else row.missed.set(how, (row.missed.get(how) || 0) + value);
      rows.set(labels.provider, row);
    }
  }
  if (!rows.size) return null;
  return html`<section aria-labelledby="turns"><h2 id="turns">Providers</h2>
    <div class="scroll card flush" tabindex="0" role="region" aria-label="Turns by provider"><table class="figures"><thead><tr><th scope="col">Provider</th><th scope="col" class="n">Turns answered</th><th scope="col">Not answered</th></tr></thead>
    <tbody>${[...rows].map(
      ([name, row]) => html`<tr key=${name}><th scope="row">${name}</th><td class="n">${row.answered}</td><td>${[...row.missed].map(([how, n]) => `${n} × ${how}`).join(", ") || "none"}</td></tr>`,
    )}</tbody></table></div></section>`;
}

function Chart({ series, length }) {
  const place = useRef(null);
  const drawn = useRef(null);
  useEffect(() => {
    let over = false;
    import("./chart.js").then(({ draw }) => {
      if (!over) drawn.current = draw(place.current, series);
    });
    return () => {
      over = true;
      drawn.current?.destroy();
    };
  }, []);
  useEffect(() => drawn.current?.show(series), [length]);
  return html`<div class="chart" ref=${place}>${length < 2 && html`<p class="muted">The first samples are being taken …</p>`}</div>`;
}
