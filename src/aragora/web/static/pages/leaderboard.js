// Agents by strength with its interval, their record, and how well their confidence foretold.
import { html } from "../dom.js";
import { get } from "../api.js";
import { Fault, percent, plural, usePolled } from "../ui.js";

const START = 1500;

export function Leaderboard() {
  const { value, problem } = usePolled(() => get("/api/leaderboard?limit=100"), 15000, []);
  const rows = value?.rankings || [];
  const low = Math.min(START, ...rows.map((row) => row.strength_low ?? row.elo)) - 10;
  const high = Math.max(START, ...rows.map((row) => row.strength_high ?? row.elo)) + 10;
  const at = (elo) => (100 * (elo - low)) / (high - low);
  return html`<div class="narrow">
    <h1>Leaderboard</h1>
    <p class="muted">Whose answers other seats vote for: strength fitted over all decided debates at once, around ${START}, with the interval that holds it 19 times in 20. A rank takes ten games.</p>
    <${Fault} problem=${problem} />
    ${value && !rows.length && html`<p class="card empty">No agent has been ranked yet. <a href="/">Hold a debate</a> and the winner leads.</p>`}
    ${rows.length > 0 &&
    html`<div class="scroll card flush" tabindex="0" role="region" aria-label="Ranking">
      <table class="ranking">
        <thead><tr><th scope="col">#</th><th scope="col">Agent</th><th scope="col" class="n">Rating</th><th scope="col" class="wide"><span class="sr">Rating drawn</span></th>
          <th scope="col">Record</th><th scope="col" class="n">Debates</th></tr></thead>
        <tbody>${rows.map(
          (row) => html`<tr key=${row.agent}>
            <td>${!row.ranked ? "–" : row.rank_low !== row.rank_high ? `${row.rank_low}–${row.rank_high}` : row.rank}</td>
            <th scope="row">${row.agent}</th>
            <td class="n"><strong>${Math.round(row.strength ?? row.elo)}</strong></td>
            <td class="wide"><svg class="span" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">
              <rect x="0" y="5.500" width="100" height="1" class="rail" />
              <rect x=${at(START)} y="1" width="0.500" height="10" class="rail" />
              ${row.strength_low != null
                ? html`<rect x=${at(row.strength_low)} y="4" width=${at(row.strength_high) - at(row.strength_low)} height="4" class="reach" />`
                : html`<rect x=${Math.min(at(START), at(row.elo))} y="4" width=${Math.abs(at(row.elo) - at(START))} height="4" class="reach" />`}
              <rect x=${at(row.strength ?? row.elo) - 0.8} y="1.500" width="1.600" height="9" class="dot" /></svg></td>
            <td><${Record} row=${row} /></td>
            <td class="n">${row.debates}</td>
          </tr>`,
        )}</tbody>
      </table>
    </div>`}
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
