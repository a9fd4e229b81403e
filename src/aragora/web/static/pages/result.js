// How a debate came out: the answer first, then why, with dissent and absence in plain sight.
import { html } from "../dom.js";
import { Avatar, Chip, Icon, Prose, percent, plural, words } from "../ui.js";
import { Receipt, Rules } from "./checks.js";
import { needed, numbers, standing, switches } from "../state.js";

// In a word and in a sentence how it came out; where a seat was missing, also what the ballots say without it.
function verdict({ outcome, decision }) {
  const [name, meaning = ""] = [].concat(words("outcomes", outcome));
  if (!decision || decision === outcome) return [name, meaning];
  const [decided, means = ""] = [].concat(words("outcomes", decision));
  return [`${decided}, ${name.toLowerCase()}`, `${means} ${meaning}`];
}

export function Result({ state }) {
  const { outcome } = state;
  const [name, meaning] = verdict(outcome);
  const names = state.seats.map((seat) => seat.name);
  const last = Math.max(0, ...numbers(state).filter((number) => state.rounds.get(number).ballots.size));
  const voted = [...state.rounds.values()].some((round) => round.ballots.size);
  return html`<div class="result">
    <div class="said-so">
      <section class=${`card answer${outcome.answer ? "" : " none"}`} aria-labelledby="answer">
        <h2 id="answer">${outcome.answer ? "The answer" : "No answer was chosen"}</h2>
        ${outcome.answer && html`<${Prose} text=${outcome.answer} seats=${names} />`}
        ${outcome.winner && html`<p class="muted by">Written by <${Chip} name=${outcome.winner} seats=${state.seats} /></p>`}
        ${outcome.detail && html`<p>${outcome.detail}</p>`}
        <p class="verdict"><strong>${name}.</strong> ${meaning} ${words("stopped", outcome.stopped)}</p>
      </section>
      ${!outcome.winner && outcome.tally && html`<${Tied} state=${state} names=${names} tied=${outcome.tally.tied} />`}
      ${outcome.dissent.length > 0 && html`<${Dissent} state=${state} number=${last} names=${names} />`}
      ${voted && html`<${Minds} state=${state} />`}
    </div>
    <div class="why">
      ${outcome.tally && html`<${Votes} state=${state} tally=${outcome.tally} number=${last} />`}
      ${state.missing.length > 0 && html`<${Missing} state=${state} />`}
      ${outcome.tally && html`<${Rules} state=${state} />`}
      <${Receipt} state=${state} />
    </div>
  </div>`;
}

// Answers that lead together: nobody chose between them, so the reader can.
function Tied({ state, names, tied }) {
  const answers = tied.map((seat) => standing(state, seat)).filter(Boolean); // what leads need not be a seat's answer
  if (answers.length < 2) return null;
  return html`<section class="card" aria-labelledby="tied"><h2 id="tied">These lead together</h2>
    ${answers.map(({ seat, content }) => html`<div key=${seat} class="said"><p><${Chip} name=${seat} seats=${state.seats} /></p><${Prose} text=${content} seats=${names} /></div>`)}</section>`;
}

function Votes({ state, tally, number }) {
  const ballots = [...(state.rounds.get(number)?.ballots.values() || [])];
  const choices = Object.entries(tally.counts);
  const total = tally.eligible;
  const top = tally.leader ? tally.counts[tally.leader] : 0;
  const need = needed(state.brief);
  return html`<section class="card" aria-labelledby="votes">
    <h2 id="votes">How they voted</h2>
    <ul class="tally">
      ${choices.map(([choice, votes]) => {
        const place = Math.max(0, state.seats.findIndex((seat) => seat.name === choice));
        return html`<li key=${choice}><span class="for"><${Chip} name=${choice} seats=${state.seats} /></span>
          <span class="voters" aria-hidden="true">${ballots
            .filter((ballot) => ballot.choice === choice)
            .map((ballot) => html`<span key=${ballot.seat} title=${ballot.seat}><${Avatar} name=${ballot.seat} place=${Math.max(0, state.seats.findIndex((s) => s.name === ballot.seat))} /></span>`)}</span>
          <span class=${`bar s${place % 8}`} aria-hidden="true"><i style=${{ inlineSize: `${(100 * votes) / total}%` }}></i></span>
          <span class="n">${votes}<span class="sr"> of ${plural(total, "vote")}: ${ballots.filter((b) => b.choice === choice).map((b) => b.seat).join(", ")}</span></span></li>`;
      })}
      ${tally.received < total && html`<li key="none" class="muted"><span class="for">no vote</span><span></span><span></span><span class="n">${total - tally.received}</span></li>`}
    </ul>
    ${top > 0 && html`<p class="muted">${top} of ${total} stand behind it${need ? `; the rule asked for ${need}` : ""}.</p>`}
    <${Account} account=${state.outcome.account} />
    <${Steps} state=${state} />
  </section>`;
}

// The tallies one below the other, from the blind one to the last: a part for each answer that got votes, in the order of the last.
function Steps({ state }) {
  const counted = numbers(state).filter((each) => state.rounds.get(each).tally);
  if (counted.length < 2) return null;
  const last = state.rounds.get(counted.at(-1)).tally.counts;
  const order = (choice) => last[choice] || 0;
  return html`<div><h3>From blind to last</h3><ol class="steps">${counted.map((each) => {
    const { agreement, counts, eligible } = state.rounds.get(each).tally;
    const parts = Object.entries(counts).sort((a, b) => order(b[0]) - order(a[0]) || a[0].localeCompare(b[0]));
    const told = parts.map(([choice, votes]) => `${votes} for ${choice}`).join(", ");
    return html`<li key=${each}><span class="muted">${each ? `Round ${each}` : "Blind"}</span>
      <span class="stack-bar" role="img" aria-label=${told || "no votes"} title=${told}>${parts.map(
        ([choice, votes]) => html`<i key=${choice} class=${`s${Math.max(0, state.seats.findIndex((seat) => seat.name === choice)) % 8}`} style=${{ inlineSize: `${(100 * votes) / eligible}%` }}></i>`,
      )}</span><span class="n">${percent(agreement)}</span></li>`;
  })}</ol></div>`;
}

const EFFECTS = {
  changed_winner: "The debate changed which answer leads.",
  strengthened: "The same answer led before anybody had debated; now more seats stand behind it.",
  weakened: "The same answer led before anybody had debated, with more support than now.",
  nothing: "The vote is as it was before anybody had debated.",
};

// What lies behind the figures: what debating did, and how many independent votes they are worth.
function Account({ account }) {
  if (!account) return null;
  const { effect, effective_votes: votes, hollow } = account;
  return html`${EFFECTS[effect] && html`<p>${EFFECTS[effect]}</p>`}
    ${hollow && html`<p class="notice"><${Icon} name="alert" /><span>Agreement rose, though nobody gave a reason from another and no critique was answered.</span></p>`}
    ${votes != null && html`<p class="muted">As far as these agents are known to think alike, this is worth ${votes.toFixed(1)} independent votes.</p>`}`;
}

function Minds({ state }) {
  const changed = switches(state);
  return html`<section class="card" aria-labelledby="minds">
    <h2 id="minds">${changed.length ? plural(changed.length, "change") + " of mind" : "Nobody changed their vote"}</h2>
    ${changed.length > 0 &&
    html`<ul class="minds">${changed.map(
      (each) => html`<li key=${`${each.round}${each.seat}`}><p><${Chip} name=${each.seat} seats=${state.seats} /> went from <${Chip} name=${each.from} seats=${state.seats} />${" to "}
        <${Chip} name=${each.to} seats=${state.seats} /> in round ${each.round}</p>
        ${each.reason && html`<${Prose} className="small" text=${each.reason} seats=${state.seats.map((seat) => seat.name)} />`}</li>`,
    )}</ul>`}
  </section>`;
}

function Dissent({ state, number, names }) {
  return html`<section class="card dissent" aria-labelledby="dissent">
    <h2 id="dissent">Dissent</h2>
    ${state.outcome.dissent.map((seat) => {
      const ballot = state.rounds.get(number)?.ballots.get(seat);
      const said = standing(state, seat);
      return html`<div key=${seat} class="said"><p><${Chip} name=${seat} seats=${state.seats} /> ${ballot && html`voted for <${Chip} name=${ballot.choice} seats=${state.seats} />`}</p>
        ${ballot?.reasoning && html`<${Prose} className="small" text=${ballot.reasoning} seats=${names} />`}
        ${said && html`<details class="folded"><summary class="label">Its own answer</summary><${Prose} text=${said.content} seats=${names} /></details>`}</div>`;
    })}
  </section>`;
}

function Missing({ state }) {
  return html`<section class="card" aria-labelledby="missing">
    <h2 id="missing">Who was missing</h2>
    <ul class="plain">${[...Map.groupBy(state.missing, (each) => `${each.fault}/${each.seat}`)].map(
      ([key, [first, ...more]]) => html`<li key=${key}><${Chip} name=${first.seat} seats=${state.seats} /> ${words("faults", first.fault)}
        <span class="muted"> in ${first.round ? `round ${first.round}` : "the blind round"} (${words("phases", first.phase)})${more.length > 0 && ` and ${plural(more.length, "later turn")}`}</span></li>`,
    )}</ul>
  </section>`;
}
