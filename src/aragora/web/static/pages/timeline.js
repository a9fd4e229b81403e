// Rounds and phases as a line, and how far the seats agree.
import { html } from "../dom.js";
import { Chip, Icon, percent, plural, words } from "../ui.js";
import { counted, current, needed, numbers } from "../state.js";

const ORDER = ["propose", "critique", "revise", "vote"];

// The phases that a round has, or will have as far as its protocol says.
function phases(state, number) {
  const here = state.rounds.get(number);
  const seen = new Set([...here.texts.keys(), ...here.absent.keys()].map((key) => key.split("/")[0]));
  if (here.critiques.size) seen.add("critique");
  if (here.ballots.size) seen.add("vote");
  seen.add(here.phase);
  const full = !state.brief.protocol.startsWith("critique") ? [] : number ? ORDER.slice(1) : ["propose", "vote"];
  return [...new Set([...ORDER.filter((phase) => seen.has(phase) || full.includes(phase)), ...seen])];
}

export function Timeline({ state, shown, pinned, pin }) {
  const newest = current(state);
  return html`<nav class="timeline" aria-label="Rounds">
    <ol>
      ${numbers(state).map((number) => {
        const here = state.rounds.get(number);
        const done = Boolean(here.tally) || Boolean(state.outcome) || number < newest;
        const all = phases(state, number);
        const at = all.indexOf(here.phase);
        return html`<li key=${number} class=${done ? "done" : "now"}>
          <button aria-current=${number === shown ? "step" : undefined} onClick=${() => pin(number === newest && !state.outcome ? null : number)}>
            <strong>${number ? `Round ${number}` : "Blind"}</strong>
            <span class="dots" aria-hidden="true">${all.map((phase, place) => html`<i key=${phase} class=${done || place < at ? "past" : place === at ? "on" : ""}></i>`)}</span>
            <small>${here.tally ? `${percent(here.tally.agreement)} agree` : done ? "ended" : words("phases", here.phase)}</small>
          </button></li>`;
      })}
      ${!state.outcome &&
      Array.from({ length: Math.max(0, state.brief.rounds - newest) }, (_, place) => newest + place + 1)
        .slice(0, 10)
        .map((number) => html`<li key=${number} class="later" aria-hidden="true"><span>Round ${number}</span></li>`)}
    </ol>
    ${pinned && shown !== newest && html`<button class="quiet follow" onClick=${() => pin(null)}><${Icon} name="live" />${state.outcome ? "Last round" : "Follow live"}</button>`}
  </nav>`;
}

// How many seats stand behind the leader, and how many the rule asks for.
export function Meter({ state, number }) {
  const here = state.rounds.get(number);
  if (!here) return null;
  const total = state.brief.seats.length;
  const counts = here.tally?.counts ?? counted(here);
  const entries = Object.entries(counts).sort((a, b) => b[1] - a[1]);
  const top = entries[0]?.[1] || 0;
  const need = needed(state.brief);
  const word = here.tally
    ? `${percent(here.tally.agreement)} agree${here.tally.reached ? ": the rule is met" : need ? `; ${need} of ${total} are needed` : ""}`
    : entries.length
      ? `${here.ballots.size} of ${plural(total, "vote")} in`
      : "No votes in this round yet";
  return html`<div class="agreement">
    <div class="meter" role="meter" aria-label="Agreement" aria-valuemin="0" aria-valuemax=${total} aria-valuenow=${top} aria-valuetext=${word}>
      ${entries.map(([choice, votes]) => {
        const place = state.seats.findIndex((seat) => seat.name === choice);
        return html`<span key=${choice} class=${`part s${Math.max(0, place) % 8}`} style=${{ flexGrow: votes }}></span>`;
      })}
      <span key="rest" class="rest" style=${{ flexGrow: Math.max(0, total - entries.reduce((sum, [, n]) => sum + n, 0)) || 0.0001 }}></span>
      ${need && html`<span key="need" class="need" style=${{ insetInlineStart: `${(100 * need) / total}%` }}></span>`}
    </div>
    <p class="muted">${word}${entries.map(([choice, votes]) => html` <span key=${choice} class="nowrap"><${Chip} name=${choice} seats=${state.seats} /> ${votes}</span>`)}</p>
  </div>`;
}
