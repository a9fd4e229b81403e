// What the leaderboard draws besides its table: a matrix of who beats whom, calibration, strength over time. Plain SVG.
import { html } from "../dom.js";
import { get } from "../api.js";
import { Fault, percent, plural, usePolled } from "../ui.js";

const REFRESH_MS = 30000;
const WIDTH = 340;
const HEIGHT = 230;
const LEFT = 40;
const BOTTOM = 30;
const TOP = 10;

const x = (share) => LEFT + share * (WIDTH - LEFT - 12);
const y = (share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
const short = (name) => name.split(":").pop();

export function Matrix({ judge }) {
  const { value, problem } = usePolled(() => get(`/api/leaderboard/matrix?judged_by=${judge}&limit=12`), REFRESH_MS, [judge]);
  if (problem) return html`<${Fault} problem=${problem} />`;
  if (!value?.cells.length) return null;
  const cells = new Map(value.cells.map((cell) => [`${cell.agent}\n${cell.opponent}`, cell]));
  return html`<section aria-labelledby="matrix"><h2 id="matrix">Who beats whom</h2>
    <div class="scroll card flush" tabindex="0" role="region" aria-label="Table of who beats whom"><table class="matrix">
      <thead><tr><td></td>${value.agents.map((name) => html`<th key=${name} scope="col" title=${name}>${short(name)}</th>`)}</tr></thead>
      <tbody>${value.agents.map((name) => html`<tr key=${name}><th scope="row">${name}</th>${value.agents.map((other) => html`<${Cell} key=${other} cell=${cells.get(`${name}\n${other}`)} same=${name === other} />`)}</tr>`)}</tbody>
    </table></div><p class="muted spaced">How often the agent of the row beats that of the column; a draw counts half.</p></section>`;
}

function Cell({ cell, same }) {
  if (!cell) return html`<td class="none">${same ? "" : "–"}</td>`;
  const rate = cell.win_rate;
  const told = `${cell.wins} won, ${cell.draws} drawn, ${cell.losses} lost`;
  return html`<td class=${rate >= 0.5 ? "ahead" : "behind"} style=${{ "--share": `${Math.round(80 * Math.abs(rate - 0.5))}%` }} title=${told}>${percent(rate)}<small>${plural(cell.matches, "match", "matches")}</small></td>`;
}

// Axes with marks: [share, text] on each.
function Frame({ across, up, label, named, children }) {
  return html`<svg class="plot" viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${label}>
    ${up.map(([at, text]) => html`<g key=${`u${at}`}><line class="grid" x1=${x(0)} x2=${x(1)} y1=${y(at)} y2=${y(at)} /><text x=${LEFT - 6} y=${y(at) + 3.5} text-anchor="end">${text}</text></g>`)}
    ${across.map(([at, text]) => html`<text key=${`a${at}`} x=${x(at)} y=${HEIGHT - BOTTOM + 15} text-anchor=${at === 0 ? "start" : at === 1 ? "end" : "middle"}>${text}</text>`)}
    <text x=${x(0.5)} y=${HEIGHT - 1} text-anchor="middle">${named}</text>
    ${children}
  </svg>`;
}

const HALVES = [0, 0.5, 1].map((share) => [share, percent(share)]);
const DOT_MAX = 9;

export function Calibration({ agent, judge }) {
  const { value, problem } = usePolled(() => get(`/api/agent/${encodeURIComponent(agent)}/calibration-curve?judged_by=${judge}`), REFRESH_MS, [agent, judge]);
  const bins = (value?.buckets || []).filter((bin) => bin.count);
  const most = Math.max(1, ...bins.map((bin) => bin.count));
  const told = bins.map((bin) => `${percent(bin.expected)} sure, ${percent(bin.actual)} came true (${bin.count})`).join("; ");
  return html`<figure><figcaption><strong>Does its confidence come true?</strong> <span class="muted">${bins.length ? "On the line it does; below, it is too sure of itself." : value ? "It has not said yet how sure it was." : ""}</span></figcaption>
    <${Fault} problem=${problem} />
    ${bins.length > 0 && html`<${Frame} across=${HALVES} up=${HALVES} named="how sure it was" label=${`Confidence and what came true: ${told}`}>
      <line class="ideal" x1=${x(0)} y1=${y(0)} x2=${x(1)} y2=${y(1)} />
      <polyline class="line" points=${bins.map((bin) => `${x(bin.expected)},${y(bin.actual)}`).join(" ")} />
      ${bins.map((bin) => html`<circle key=${bin.low} class="dot" cx=${x(bin.expected)} cy=${y(bin.actual)} r=${3 + (DOT_MAX - 3) * Math.sqrt(bin.count / most)}><title>${plural(bin.count, "ballot")}: ${percent(bin.expected)} sure, ${percent(bin.actual)} came true</title></circle>`)}
    </${Frame}>`}</figure>`;
}

export function History({ agent, judge }) {
  const { value, problem } = usePolled(() => get(`/api/agent/${encodeURIComponent(agent)}/ratings?judged_by=${judge}&limit=100`), REFRESH_MS, [agent, judge]);
  const points = value?.points || [];
  const low = Math.floor(Math.min(...points.map((point) => point.low)) / 50) * 50;
  const high = Math.ceil(Math.max(...points.map((point) => point.high)) / 50) * 50;
  const at = (strength) => y((strength - low) / (high - low || 1));
  const along = (place) => x(points.length > 1 ? place / (points.length - 1) : 0.5);
  const line = (name) => points.map((point, place) => `${along(place)},${at(point[name])}`);
  const day = (point) => new Date(point.timestamp).toLocaleString([], { month: "short", day: "numeric", hour: "2-digit" });
  return html`<figure><figcaption><strong>Strength over time</strong> <span class="muted">${points.length ? "The band is the 95 % range." : value ? "Nothing has been fitted yet." : ""}</span></figcaption>
    <${Fault} problem=${problem} />
    ${points.length > 0 && html`<${Frame} across=${points.length > 1 ? [[0, day(points[0])], [1, day(points.at(-1))]] : [[0.5, day(points[0])]]} up=${[[0, low], [0.5, (low + high) / 2], [1, high]]} named="" label=${`Strength: ${Math.round(points[0].strength)} at first, ${Math.round(points.at(-1).strength)} at last`}>
      ${points.length > 1
        ? html`<polygon class="band" points=${[...line("low"), ...line("high").reverse()].join(" ")} /><polyline class="line" points=${line("strength").join(" ")} />`
        : html`<line class="whisker" x1=${along(0)} x2=${along(0)} y1=${at(points[0].low)} y2=${at(points[0].high)} />`}
      ${points.map((point, place) => html`<circle key=${place} class="dot" cx=${along(place)} cy=${at(point.strength)} r="3"><title>${Math.round(point.strength)} after ${plural(point.games, "match", "matches")}</title></circle>`)}
    </${Frame}>`}</figure>`;
}
