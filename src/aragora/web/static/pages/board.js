// One round, a column per seat: its answer, what others say against it, its revised answer, its vote. On a phone columns swipe.
import { html, useEffect, useRef, useState } from "../dom.js";
import { Writing } from "../streams.js";
import { standing, switches } from "../state.js";
import { Avatar, Chip, Icon, Prose, percent, words } from "../ui.js";

const COLUMNS = 5; // beside each other on a wide screen

export function Board({ watched, state, number }) {
  const here = state.rounds.get(number);
  const names = state.seats.map((seat) => seat.name);
  const scroller = useRef(null);
  const [seen, setSeen] = useState(0);
  useEffect(() => {
    const root = scroller.current;
    if (!root) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        const visible = entries.filter((entry) => entry.isIntersecting).sort((a, b) => b.intersectionRatio - a.intersectionRatio)[0];
        if (visible) setSeen(Number(visible.target.dataset.place));
      },
      { root, threshold: [0.6] },
    );
    for (const column of root.querySelectorAll(".column")) observer.observe(column);
    return () => observer.disconnect();
  }, [names.length, Boolean(here)]);
  if (!here) return html`<p class="muted" role="status">Waiting for a place among the running debates …</p>`;
  const show = (place) => {
    const column = scroller.current.children[place];
    scroller.current.scrollTo({ left: column.offsetLeft - scroller.current.offsetLeft, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    column.focus({ preventScroll: true });
  };
  return html`
    <div class=${`tabs${names.length > COLUMNS ? " many" : ""}`} role="group" aria-label="Seats">
      ${state.seats.map(
        (seat) => html`<button key=${seat.name} aria-pressed=${seen === seat.place} onClick=${() => show(seat.place)} class=${`s${seat.place % 8}`}>
          <${Avatar} name=${seat.name} place=${seat.place} /><span>${seat.name.split(":").pop()}</span></button>`,
      )}
    </div>
    <div class="board" ref=${scroller} data-seats=${state.seats.length} tabindex="0" role="region" aria-label=${`What the seats say, ${number ? `round ${number}` : "blind"}`}>
      ${state.seats.map((seat) => html`<${Column} key=${seat.name} seat=${seat} names=${names} watched=${watched} state=${state} here=${here} />`)}
    </div>
    <${Common} state=${state} here=${here} names=${names} watched=${watched} />`;
}

function Column({ seat, names, watched, state, here }) {
  const { name, place } = seat;
  const working = !state.outcome && state.working.get(name);
  const busy = working && working.round === here.number ? working : null;
  const first = here.texts.get(`propose/${name}`);
  const revised = here.texts.get(`revise/${name}`);
  const writing = busy && watched.streams.open.get(`${busy.round}/${busy.phase}/${name}`);
  const text = busy && (busy.phase === "propose" || busy.phase === "revise") ? writing : null;
  const old = !first && standing(state, name, here.number - 1);
  const critiques = here.critiques.get(name) || [];
  const ballot = here.ballots.get(name);
  const status = busy ? `${words("phases", busy.phase)} …` : "";
  return html`<section class=${`column s${place % 8}${busy ? " busy" : ""}${state.outcome?.winner === name ? " won" : ""}`} data-place=${place} tabindex="-1" aria-label=${name}>
    <header><${Avatar} name=${name} place=${place} />
      <div><h3>${name}</h3><p class="muted">${status || (seat.agent !== name ? seat.agent : state.outcome?.winner === name ? "its answer won" : "")}</p></div></header>
    ${first && html`<${Answer} key="first" label="First answer, blind" text=${first.content} names=${names} folded=${Boolean(revised || (text && busy.phase === "revise"))} />`}
    ${old && html`<${Answer} key="old" label=${`Stands since ${old.round ? `round ${old.round}` : "the beginning"}`} kind="before" text=${old.content} names=${names} folded=${Boolean(revised || text)} />`}
    ${text && busy.phase === "propose" && html`<div key="writing1"><p class="label">First answer, blind</p><${Writing} stream=${text} seats=${names} /></div>`}
    ${critiques.length > 0 &&
    html`<div key="critiques" class="critiques"><p class="label">Said against it</p>
      ${critiques.map(
        (said) => html`<blockquote key=${said.seq} class=${`s${names.indexOf(said.seat) % 8}`}><p class="who"><${Chip} name=${said.seat} seats=${state.seats} /></p>
          <${Prose} text=${said.content} seats=${names} /></blockquote>`,
      )}</div>`}
    ${text && busy.phase === "revise" && html`<div key="writing2"><p class="label">Revised answer</p><${Writing} stream=${text} seats=${names} /></div>`}
    ${revised && html`<${Answer} key="revised" label="Revised answer" text=${revised.content} names=${names} />`}
    <${Absences} key="absent" state=${state} here=${here} name=${name} />
    ${ballot && html`<${Vote} key="vote" ballot=${ballot} state=${state} here=${here} />`}
    ${busy && !text && html`<p key="busy" class="thinking"><i></i><i></i><i></i><span class="sr">${status}</span></p>`}
  </section>`;
}

function Answer({ label, text, names, folded = false, kind = "text" }) {
  if (!folded) return html`<div class=${kind}><p class="label">${label}</p><${Prose} text=${text} seats=${names} /></div>`;
  return html`<details class=${`folded ${kind}`}><summary class="label">${label}</summary><${Prose} text=${text} seats=${names} /></details>`;
}

function Absences({ state, here, name }) {
  const found = [...here.absent].filter(([key]) => key.slice(key.indexOf("/") + 1) === name);
  const alike = Map.groupBy(found, ([, { fault, detail }]) => `${fault}/${detail}`);
  return [...alike].map(([why, each]) => {
    const { fault, detail } = each[0][1];
    const phases = each.map(([key]) => words("phases", key.split("/")[0]));
    return html`<div key=${why} class="notice bad"><${Icon} name="alert" /><span><strong>${phases.join(", ")}:</strong> it ${words("faults", fault)}.
      ${detail && html`<details><summary>More</summary><small>${detail}</small></details>`}</span></div>`;
  });
}

function Vote({ ballot, state, here }) {
  const change = switches(state).find((each) => each.seat === ballot.seat && each.round === here.number);
  return html`<div class=${`vote${change ? " changed" : ""}`}>
    ${change && html`<p class="shift"><${Icon} name="shift" /> Changed its mind: voted for <${Chip} name=${change.from} seats=${state.seats} /> before</p>`}
    <p><${Icon} name="check" /> Votes for <${Chip} name=${ballot.choice} seats=${state.seats} />${ballot.choice === ballot.seat && html` <span class="muted">its own answer</span>`}
      ${ballot.confidence != null && html` <span class="muted n nowrap">· ${percent(ballot.confidence)} sure</span>`}</p>
    ${ballot.reasoning && html`<${Prose} className="small" text=${ballot.reasoning} seats=${state.seats.map((seat) => seat.name)} />`}
  </div>`;
}

// What is said to all, and what somebody says who holds no seat: critiques of everything, verdicts, texts put together.
function Common({ state, here, names }) {
  const open = here.critiques.get("") || [];
  const other = [...here.texts].filter(([key]) => !key.startsWith("propose/") && !key.startsWith("revise/")).map(([, said]) => said);
  const seatless = [...here.ballots.values()].filter((ballot) => !names.includes(ballot.seat));
  const elsewhere = [...here.critiques].filter(([target]) => target && !names.includes(target)).flatMap(([, said]) => said);
  const all = [...open, ...elsewhere, ...other];
  if (!all.length && !seatless.length) return null;
  return html`<div class="common">${all.map(
    (said) => html`<div key=${said.seq} class="card"><p class="label"><${Chip} name=${said.seat} seats=${state.seats} /> ${said.phase === "critique" ? "to everybody" : words("phases", said.phase)}</p>
      <${Prose} text=${said.content} seats=${names} /></div>`,
  )}${seatless.map((ballot) => html`<div key=${ballot.seat} class="card"><p class="label">${ballot.seat}, ${words("phases", ballot.phase)}</p><${Vote} ballot=${ballot} state=${state} here=${here} /></div>`)}</div>`;
}
