// Votes of the people who watch: counted beside the agents' ballots, never among them.
import { html, useState } from "../dom.js";
import { offers, post, session, voter } from "../api.js";
import { Avatar, Chip, Fault, Icon, announce, plural, words } from "../ui.js";
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
      const name = session.value ? {} : { voter: me }; // nobody gives themselves the name of an account
      await post(`/api/debates/${state.id}/vote`, { choice: picked, reason: reason.trim() || mine?.reasoning || "", ...name });
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

// What people put to the agents, who read it when the next round begins.
export function Suggestions({ state }) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const open = !state.outcome && offers("/api/debates/{id}/messages");
  const submit = async (event) => {
    event.preventDefault();
    if (!text.trim() || busy) return;
    setBusy(true);
    try {
      await post(`/api/debates/${state.id}/messages`, { content: text.trim(), ...(!session.value && { user: voter() }) });
      setText("");
      setProblem(null);
      announce("Your suggestion is recorded.");
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  if (!state.suggestions.length && !open) return null;
  return html`<section class="card people" aria-labelledby="suggestions">
    <h2 id="suggestions">${open ? "Tell the agents something" : "What people suggested"}</h2>
    ${state.suggestions.length > 0 && html`<ul class="plain reasons">${state.suggestions.slice(-20).map((each) => html`<li key=${each.id}><q dir="auto">${each.content}</q></li>`)}</ul>`}
    ${open && html`<form onSubmit=${submit}><div class="send"><label class="sr" for="suggestion">Your suggestion</label>
      <input id="suggestion" dir="auto" maxlength="2000" placeholder="They read it when the next round begins" value=${text} onInput=${(e) => setText(e.target.value)} />
      <button disabled=${!text.trim() || busy}>Suggest</button></div><${Fault} problem=${problem} /></form>`}
  </section>`;
}

// Turns that wait for a person who holds a seat.
export function Turns({ state }) {
  return [...state.asked].map(([key, turn]) => html`<${Turn} key=${key} turn=${turn} state=${state} />`);
}

function Turn({ turn, state }) {
  const [text, setText] = useState("");
  const [choice, setChoice] = useState("");
  const [position, setPosition] = useState("");
  const [problem, setProblem] = useState(null);
  const [target, setTarget] = useState("");
  const voting = turn.choices.length > 0;
  const submit = async (event) => {
    event.preventDefault();
    const said = voting ? { choice, reason: text.trim() } : { content: text.trim(), ...(position && { position }), ...(target && { target }) };
    try {
      await post(`/api/debates/${state.id}/turn`, { seat: turn.seat, ...said });
    } catch (error) {
      setProblem(error);
    }
  };
  const pick = (name, values, value, set) => html`<div class="picks" role="radiogroup" aria-label=${name}>${values.map(
    (each) => html`<label key=${each} class="pick"><input type="radio" name=${name} checked=${value === each} onChange=${() => set(each)} /><span>${each}</span></label>`,
  )}</div>`;
  return html`<section class="card people turn" aria-label=${`Your turn: ${turn.seat}`}>
    <h2>Your turn, <${Chip} name=${turn.seat} seats=${state.seats} />${" · "}${words("phases", turn.phase).toLowerCase()}</h2>
    <p class="muted">The others ${turn.round === 0 ? "do not see it before they have answered too" : "read it under a letter, not under your name"}. After ${plural(Math.round(turn.timeout_s / 60), "minute")} the seat counts as missing.</p>
    <form onSubmit=${submit}>
      ${voting && pick("Choice", turn.choices, choice, setChoice)}
      ${turn.phase === "critique" && pick("Against whose answer", state.seats.map((seat) => seat.name).filter((name) => name !== turn.seat), target, setTarget)}
      ${turn.positions?.length > 0 && pick("Position", turn.positions, position, setPosition)}
      <label class="text">${voting ? "Why" : "What you say"}<textarea rows="4" dir="auto" value=${text} onInput=${(e) => setText(e.target.value)}></textarea></label>
      <button class="primary" disabled=${voting ? !choice : !text.trim()}>Say it</button>
      <${Fault} problem=${problem} />
    </form></section>`;
}
