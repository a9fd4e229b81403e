// How the server does, for those who run it: readiness, debates and their queue, objectives, providers, load, latency by route.
import { html, useEffect, useRef, useState } from "../dom.js";
import { ask, get } from "../api.js";
import { count, parse, quantile, routes, value } from "../metrics.js";
import { Fault, plural } from "../ui.js";

const EVERY_MS = 3000;
const SAMPLES_MAX = 200;
const SLO_S = { "/api/health": 0.1 };
const SLO_DEFAULT_S = 0.2;
// Burn rates that page somebody, and that open a ticket: the bounds of the alerts that come with the server.
const FAST_BURN = 14.4;
const SLOW_BURN = 6;

const ms = (seconds) => (seconds == null ? "–" : seconds === Infinity ? "> 10 s" : seconds < 1 ? `≤ ${+(1000 * seconds).toFixed(2)} ms` : `≤ ${seconds} s`);

async function sample() {
  const [status, response] = await Promise.all([get("/api/status"), ask("GET", "/metrics")]);
  return { status, metrics: parse(await response.text()), at: Date.now() / 1000 };
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
        const total = count(taken.metrics, "aragora_request_total");
        const { at, active, rate } = series.current;
        if (before) {
          at.push(taken.at);
          active.push(taken.status.debates.running);
          rate.push(Math.max(0, total - before.total) / (taken.at - before.at));
          if (at.length > SAMPLES_MAX) for (const each of [at, active, rate]) each.shift();
        }
        before = { total, at: taken.at };
        setNow(taken);
        setProblem(null);
      } catch (error) {
        if (!over) setProblem(error);
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
    ${now ? html`<${Now} now=${now} series=${series.current} />` : !problem && html`<p class="muted">Loading …</p>`}
  </div>`;
}

function Now({ now: { status, metrics, at }, series }) {
  const { debates } = status;
  const well = status.status === "healthy";
  const tiles = [
    ["Running", debates.running, `of ${debates.running_max}`],
    ["Waiting", debates.queued, `of ${debates.queued_max}`],
    ["Watchers", value(metrics, "aragora_ws_connections"), `${plural(debates.followed, "debate")} followed`],
    ["Held", debates.total, ""],
    ["Memory", `${(value(metrics, "aragora_memory_bytes") / 2 ** 20).toFixed(0)} MB`, ""],
    ["Processor", `${value(metrics, "aragora_cpu_usage").toFixed(0)} %`, "of one core"],
  ];
  return html`
    <p class=${`notice ${well ? "good" : "bad"}`} role="status">
      <span><strong>${well ? "Takes work." : "Takes no work."}</strong>
      ${Object.entries(status.checks).map(([name, state]) => html` <span key=${name}>${name}: ${state}.</span>`)} Version ${status.version}, up since
      ${" "}${new Date(1000 * (at - status.uptime_seconds)).toLocaleString([], { dateStyle: "medium", timeStyle: "short" })}.</span>
    </p>
    <dl class="tiles">${tiles.map(([name, figure, more]) => html`<div key=${name} class="card"><dt>${name}</dt><dd>${figure}</dd>${more && html`<dd class="muted">${more}</dd>`}</div>`)}</dl>
    <${Objectives} rows=${status.objectives} />
    <${Providers} rows=${status.providers} metrics=${metrics} />
    <section class="card" aria-labelledby="load"><h2 id="load">Since this page was opened</h2>
      <${Chart} series=${series} length=${series.at.length} /></section>
    <section aria-labelledby="routes"><h2 id="routes">Requests</h2>
      <div class="scroll card flush" tabindex="0" role="region" aria-label="Requests by route"><table class="figures">
        <thead><tr><th scope="col">Route</th><th scope="col" class="n">Answered</th><th scope="col" class="n">Faults</th><th scope="col" class="n">Median</th><th scope="col" class="n">99 of 100</th></tr></thead>
        <tbody>${routes(metrics).map((row) => {
          const p99 = quantile(row.buckets, 0.99);
          const slow = p99 > (SLO_S[row.endpoint] ?? SLO_DEFAULT_S);
          return html`<tr key=${row.name}><th scope="row"><code>${row.name}</code></th><td class="n">${row.count.toLocaleString()}</td><td class=${`n ${row.failed ? "hot" : ""}`}>${row.failed}</td>
            <td class="n">${ms(quantile(row.buckets, 0.5))}</td><td class=${`n ${slow ? "hot" : ""}`}>${ms(p99)}</td></tr>`;
        })}</tbody></table></div></section>`;
}

const OBJECTIVES = { availability: "Answered without a fault", latency: "Answered in time" };

// How fast the budget of an objective is used up: at 1, a month's budget lasts a month.
function Objectives({ rows }) {
  if (!rows.length) return null;
  return html`<section aria-labelledby="objectives"><h2 id="objectives">Objectives</h2>
    <div class="scroll card flush" tabindex="0" role="region" aria-label="Table of objectives"><table class="figures"><thead><tr><th scope="col">Objective</th><th scope="col" class="n">Target</th><th scope="col">Window</th><th scope="col" class="n">Missed</th><th scope="col">Budget used</th></tr></thead>
    <tbody>${rows.map((row) => {
      const burn = row.burn_rate;
      const kind = burn >= FAST_BURN ? "bad" : burn >= SLOW_BURN || burn > 1 ? "warm" : "good";
      const told = burn == null ? "nothing was asked" : `${burn.toFixed(burn < 10 ? 1 : 0)} × as fast as allowed`;
      return html`<tr key=${row.objective + row.window_s}><th scope="row">${OBJECTIVES[row.objective] || row.objective}</th><td class="n">${+(100 * row.target).toFixed(2)} %</td><td class="nowrap">${row.window_s < 3600 ? `${row.window_s / 60} min` : `${row.window_s / 3600} h`}</td>
        <td class="n">${row.bad.toLocaleString()} of ${row.requests.toLocaleString()}</td><td><span class="gauge"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="100" height="8" class="rest" /><rect width=${Math.min(100, (100 * (burn || 0)) / FAST_BURN)} height="8" class=${kind} /></svg><small>${told}</small></span></td></tr>`;
    })}</tbody></table></div></section>`;
}

const STATES = { closed: ["good", "answering"], half_open: ["warm", "being tried again"], open: ["bad", "not asked: it failed too often"] };

function Providers({ rows, metrics }) {
  const turns = new Map();
  for (const { labels, value: n } of metrics.get("aragora_turns_total") || []) {
    const row = turns.get(labels.provider) || { spoke: 0, missed: [] };
    if (labels.result === "spoke") row.spoke += n;
    else if (n) row.missed.push(`${n} × ${labels.result.replaceAll("_", " ")}`);
    turns.set(labels.provider, row);
  }
  const seen = rows.filter((row) => row.models.length || turns.has(row.name) || row.chosen);
  const idle = rows.filter((row) => !seen.includes(row) && row.needs);
  const names = [...new Set([...seen.map((row) => row.name), ...turns.keys()])];
  return html`<section aria-labelledby="providers"><h2 id="providers">Providers</h2>
    ${names.length > 0 && html`<div class="scroll card flush" tabindex="0" role="region" aria-label="Table of providers"><table class="figures"><thead><tr><th scope="col">Provider</th><th scope="col">State</th><th scope="col" class="n">Turns answered</th><th scope="col">Not answered</th></tr></thead>
    <tbody>${names.map((name) => {
      const row = rows.find((each) => each.name === name);
      const [kind, told] = row?.needs ? ["warm", `needs ${row.needs}`] : STATES[row?.state || "closed"];
      const { spoke, missed } = turns.get(name) || { spoke: 0, missed: [] };
      const asked = row?.needs || row?.models.length || turns.has(name);
      return html`<tr key=${name}><th scope="row">${name}</th><td class="state"><i class=${`pulse ${asked ? kind : ""}`}></i> ${asked ? told : "not asked yet"}${(row?.models || []).map((each) => html`<br key=${each.model} /><small class="muted">${each.model}: ${answering(each.health)}</small>`)}</td>
        <td class="n">${spoke.toLocaleString()}</td><td>${missed.join(", ") || "none"}</td></tr>`;
    })}</tbody></table></div>`}
    ${idle.length > 0 && html`<p class="muted spaced">More with a key: ${idle.map((row, place) => html`${place ? ", " : ""}<code key=${row.name}>${row.needs}</code>`)}.</p>`}</section>`;
}

function answering({ calls, error_rate: failed, latency_s: latency, in_flight: flying, waiting, last_fault: fault, retry_in_s: retry }) {
  const parts = [plural(calls, "call"), failed ? `${Math.round(100 * failed)} % failed` : "", latency == null ? "" : `${latency.toFixed(1)} s`];
  parts.push(flying ? `${flying} in flight` : "", waiting ? `${waiting} waiting` : "", fault ? fault.replaceAll("_", " ") : "", retry ? `again in ${Math.ceil(retry)} s` : "");
  return parts.filter(Boolean).join(", ");
}

function Chart({ series, length }) {
  const place = useRef(null);
  const drawn = useRef(null);
  const enough = length > 1;
  useEffect(() => {
    if (!enough) return undefined;
    let over = false;
    import("./chart.js").then(({ draw }) => {
      if (!over) drawn.current = draw(place.current, series);
    });
    return () => {
      over = true;
      drawn.current?.destroy();
    };
  }, [enough]);
  useEffect(() => drawn.current?.show(series), [length]);
  return html`<div class="chart" ref=${place}>${!enough && html`<p class="muted">The first samples are being taken …</p>`}</div>`;
}
