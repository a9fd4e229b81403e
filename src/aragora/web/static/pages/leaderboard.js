// Agents by strength: intervals and the ranks that the results allow, who beats whom, and how sure each one was.
import { html, useState } from "../dom.js";
import { get, offers } from "../api.js";
import { Fault, percent, plural, usePolled } from "../ui.js";
import { Calibration, History, Matrix } from "./plots.js";

const START = 1500;
const REFRESH_MS = 15000;
const JUDGES = [
  ["panel", "Panels"],
  ["people", "People"],
];

// The fitted strength with its interval; the running rating where nothing has been fitted yet.
const drawn = (row) => ({ at: row.strength ?? row.elo, low: row.strength_low ?? null, high: row.strength_high ?? null });

export function Leaderboard() {
  const [judge, setJudge] = useState(JUDGES[0][0]);
  const judged = offers("/api/leaderboard/matrix");
  const query = judged ? `&judged_by=${judge}` : "";
  const { value, problem } = usePolled(() => get(`/api/leaderboard?limit=100${query}`), REFRESH_MS, [judge]);
  const rows = value?.rankings || [];
  return html`<div class="narrow board-of">
    <div class="ends"><h1>Leaderboard</h1>
      ${judged && html`<div class="segments" role="group" aria-label="Whose judgement counts">${JUDGES.map(
        ([name, label]) => html`<button key=${name} aria-pressed=${judge === name} onClick=${() => setJudge(name)}>${label}</button>`,
      )}</div>`}</div>
    <p class="muted">${judge === "people" ? "Whose answers the people who watched voted for." : "Whose answers other seats vote for."} Each decided debate compares every two
      agents in it; ${START} is the middle. ${judged && "The bar is the range within which the strength lies with 95 % certainty; ranks that overlap are not told apart."}</p>
    <${Fault} problem=${problem} />
    ${value && !rows.length && html`<p class="card empty">No agent has been ranked yet. <a href="/">Hold a debate</a> and the winner leads.</p>`}
    ${rows.length > 0 && html`<${Ranking} rows=${rows} />`}
    ${rows.length > 1 && judged && html`<${Matrix} judge=${judge} count=${value.total} />`}
    ${rows.length > 0 && judged && html`<${One} key=${judge} rows=${rows} judge=${judge} />`}
  </div>`;
}

function Ranking({ rows }) {
  const ends = rows.map(drawn);
  const low = Math.min(START, ...ends.map((each) => each.low ?? each.at)) - 10;
  const high = Math.max(START, ...ends.map((each) => each.high ?? each.at)) + 10;
  const at = (elo) => (100 * (elo - low)) / (high - low);
  return html`<div class="scroll card flush" tabindex="0" role="region" aria-label="Ranking">
    <table class="ranking">
      <thead><tr><th scope="col">Rank</th><th scope="col">Agent</th><th scope="col" class="n">Strength</th><th scope="col" class="wide"><span class="sr">Strength drawn</span></th>
        <th scope="col">Won – drawn – lost</th><th scope="col" class="n">Debates</th></tr></thead>
      <tbody>${rows.map((row, place) => {
        const { at: strength, low: from, high: to } = ends[place];
        return html`<tr key=${row.agent}>
          <td class="nowrap">${row.ranked === false ? html`<span class="muted">too early</span>` : row.rank_low && row.rank_low !== row.rank_high ? `${row.rank_low}–${row.rank_high}` : (row.rank_low ?? row.rank)}</td>
          <th scope="row">${row.agent}</th>
          <td class="n"><strong>${Math.round(strength)}</strong>${from != null && html`<br /><small class="muted">${Math.round(from)}–${Math.round(to)}</small>`}</td>
          <td class="wide"><svg class="span" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
            <rect x="0" y="5.500" width="100" height="1" class="rail" /><rect x=${at(START)} y="1" width="0.500" height="10" class="rail" />
            ${from == null
              ? html`<rect x=${Math.min(at(START), at(strength))} y="4" width=${Math.abs(at(strength) - at(START))} height="4" class="reach" />`
              : html`<rect x=${at(from)} y="3.500" width=${at(to) - at(from)} height="5" class="reach" />`}
            <rect x=${at(strength) - 0.8} y="1.500" width="1.600" height="9" class="dot" /></svg></td>
          <td><${Record} row=${row} /></td>
          <td class="n">${row.debates}</td>
        </tr>`;
      })}</tbody>
    </table>
  </div>`;
}

function Record({ row }) {
  const games = row.wins + row.losses + row.draws || 1;
  const label = `${plural(row.wins, "win")}, ${plural(row.draws, "draw")}, ${plural(row.losses, "loss", "losses")}: ${percent(row.win_rate)}`;
  return html`<span class="record" title=${label}>
    <svg viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=${label}>
      <rect x="0" width=${(100 * row.wins) / games} height="8" class="won" />
      <rect x=${(100 * row.wins) / games} width=${(100 * row.draws) / games} height="8" class="drawn" />
      <rect x=${(100 * (row.wins + row.draws)) / games} width=${(100 * row.losses) / games} height="8" class="lost" />
    </svg><small>${row.wins} – ${row.draws} – ${row.losses}</small></span>`;
}

// One agent looked at closely: whether its confidence comes true, and how its strength went.
function One({ rows, judge }) {
  const [chosen, choose] = useState("");
  const agent = chosen || rows[0].agent;
  return html`<section class="card" aria-labelledby="one">
    <div class="ends"><h2 id="one">One agent</h2><label class="sr" for="agent">Agent</label>
      <select id="agent" value=${agent} onChange=${(event) => choose(event.target.value)}>${rows.map((row) => html`<option key=${row.agent} value=${row.agent}>${row.agent}</option>`)}</select></div>
    <div class="plots"><${Calibration} key=${`c${agent}`} agent=${agent} judge=${judge} /><${History} key=${`h${agent}`} agent=${agent} judge=${judge} /></div>
  </section>`;
}
