// Votes of the people who watch: counted beside the agents' ballots, never among them.
import { html, useState } from "../dom.js";
import { post, voter } from "../api.js";
import { Avatar, Chip, Fault, Icon, announce, plural } from "../ui.js";
import { people } from "../state.js";

export function People({ state }) {
  const me = voter();
  const mine = state.people.get(me);
  const [choice, setChoice] = useState("");
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const counts = people(state);
  const cast = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const others = [...state.people.values()].filter((vote) => vote.reasoning && vote.voter !== me).slice(-20);
  const open = !state.outcome;
  const picked = choice || mine?.choice || "";
  const submit = async (event) => {
    event.preventDefault();
    if (!picked || busy) return;
    setBusy(true);
    try {
      await post(`/api/debates/${state.id}/vote`, { choice: picked, reason: reason.trim() || mine?.reasoning || "", voter: me });
      setProblem(null);
      announce(`Your vote for ${picked} is counted.`);
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  if (!open && !cast) return null;
  return html`<section class="card people" aria-labelledby="people">
    <h2 id="people">${open ? "Whose answer would you choose?" : plural(cast, "vote") + " of people who watched"}</h2>
    ${open
      ? html`<form onSubmit=${submit}>
          <div class="picks" role="radiogroup" aria-labelledby="people">
            ${state.seats.map(
              (seat) => html`<label key=${seat.name} class=${`pick s${seat.place % 8}`}>
                <input type="radio" name="pick" value=${seat.name} checked=${picked === seat.name} onChange=${() => setChoice(seat.name)} />
                <${Avatar} name=${seat.name} place=${seat.place} /><span>${seat.name}</span>
                <span class="n muted">${counts[seat.name] || ""}</span></label>`,
            )}
          </div>
          <div class="send"><label class="sr" for="reason">Why (you may leave it empty)</label>
            <input id="reason" dir="auto" maxlength="2000" placeholder="Why? (you may leave it empty)" value=${reason} onInput=${(e) => setReason(e.target.value)} />
            <button class=${mine ? "" : "primary"} disabled=${!picked || busy || (mine?.choice === picked && !reason.trim())}>${mine ? "Change my vote" : "Vote"}</button></div>
          ${mine && html`<p class="muted" role="status"><${Icon} name="check" /> Your vote for <${Chip} name=${mine.choice} seats=${state.seats} /> is counted. You may change it until the debate ends.</p>`}
          <${Fault} problem=${problem} />
        </form>`
      : html`<p>${Object.entries(counts).map(([name, n]) => html`<span key=${name} class="nowrap"><${Chip} name=${name} seats=${state.seats} /> ${n} </span>`)}
          ${mine && html`<span class="muted">You chose ${mine.choice}.</span>`}</p>`}
    ${others.length > 0 &&
    html`<ul class="plain reasons">${others.map((vote) => html`<li key=${vote.voter}><${Chip} name=${vote.choice} seats=${state.seats} /> <q dir="auto">${vote.reasoning}</q></li>`)}</ul>`}
  </section>`;
}
