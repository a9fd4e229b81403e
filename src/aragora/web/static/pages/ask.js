// Ask: one field, who debates, and how; examples that start at once.
import { html, useEffect, useRef, useState } from "../dom.js";
import { config, get, offers, post, recall, remember } from "../api.js";
import { Fault, Icon, usePolled } from "../ui.js";
import { Row } from "./list.js";
import { PERSON, Seats } from "./seats.js";

const PANEL = ["demo:optimist", "demo:sceptic", "demo:pragmatist"];
const RECENT = 4;

function kept() {
  try {
    const found = JSON.parse(recall("ask"));
    if (Array.isArray(found?.seats) && found.seats.length) return found;
  } catch {
    // nothing usable was kept
  }
  return { seats: PANEL, rounds: 3, protocol: config.protocol, rule: "majority" };
}

const title = (name) => name.split("@")[0].replaceAll("_", " ");

export function Ask({ go }) {
  const before = useRef(kept()).current;
  const [topic, setTopic] = useState("");
  const [seats, setSeats] = useState(before.seats.slice(0, config.agents_max));
  const [rounds, setRounds] = useState(Math.min(before.rounds, config.rounds_max));
  const [protocol, setProtocol] = useState(before.protocol);
  const [rule, setRule] = useState(before.rule);
  const [limit, setLimit] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const field = useRef(null);

  const hold = async (what, panel) => {
    if (busy) return;
    if (!what.trim()) {
      setProblem({ message: "Write a question first." });
      field.current.focus();
      return;
    }
    setBusy(true);
    setProblem(null);
    const body = { topic: what, agents: panel, rounds, protocol, rule, ...(limit && { max_cost_usd: Number(limit) }) };
    if (panel === seats) remember("ask", JSON.stringify({ seats, rounds, protocol, rule }));
    try {
      const made = await post("/api/debates", body);
      go(`/d/${made.id}`);
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    hold(topic, seats);
  };
  const grow = ({ target }) => {
    setTopic(target.value);
    target.style.height = "auto";
    target.style.height = `${Math.min(target.scrollHeight, 320)}px`;
  };
  const keys = (event) => {
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey || !event.shiftKey) && !event.isComposing) submit(event);
  };
  const paid = seats.some((name) => !name.startsWith("demo") && name !== PERSON);
  const about = config.protocols.find((each) => each.name === protocol)?.about;
  return html`<div class="ask">
    <div class="hero">
      <h1>Ask a question that matters.</h1>
      <p>Several models answer it blind, criticise each other, change their minds or do not, and vote. You watch, and you vote too.</p>
    </div>
    <form class="card composer" onSubmit=${submit} aria-label="New debate">
      <label class="sr" for="topic">Your question</label>
      <textarea id="topic" ref=${field} rows="2" dir="auto" placeholder="Should we …?" maxlength=${config.topic_chars_max}
        value=${topic} onInput=${grow} onKeyDown=${keys}></textarea>
      <${Seats} seats=${seats} setSeats=${setSeats} />
      <div class="options">
        <div class="stepper"><span id="rounds-name">Rounds</span>
          <button type="button" aria-label="Fewer rounds" disabled=${rounds <= 1} onClick=${() => setRounds(rounds - 1)}><${Icon} name="minus" /></button>
          <output aria-labelledby="rounds-name">${rounds}</output>
          <button type="button" aria-label="More rounds" disabled=${rounds >= config.rounds_max} onClick=${() => setRounds(rounds + 1)}><${Icon} name="plus" /></button>
        </div>
        <label>Protocol <select value=${protocol} onChange=${(e) => setProtocol(e.target.value)}>
          ${config.protocols.map((each) => html`<option key=${each.name} value=${each.name}>${title(each.name)}</option>`)}
        </select></label>
        <label>Agreed when <select value=${rule} onChange=${(e) => setRule(e.target.value)}>
          ${config.rules.map((each) => html`<option key=${each.name} value=${each.name} title=${each.about}>${title(each.name)}</option>`)}
        </select></label>
        ${paid && html`<label>At most $ <input class="money" type="number" min="0" step="0.01" inputmode="decimal" placeholder="any" value=${limit} onInput=${(e) => setLimit(e.target.value)} /></label>`}
      </div>
      <div class="foot"><p class="muted">${about} <${Estimate} body=${{ topic, agents: seats, rounds, protocol, rule }} /></p>
        <button class="primary" disabled=${busy}>${busy ? "One moment …" : "Hold the debate"} <${Icon} name="arrow" /></button></div>
      <${Fault} problem=${problem} />
    </form>
    <section class="examples" aria-labelledby="try">
      <h2 id="try">Or start one of these now, with free demo agents</h2>
      <ul>${config.examples.map(
        (each) => html`<li key=${each}><button class="example" disabled=${busy} onClick=${() => hold(each, PANEL)}>
          <span>${each}</span><${Icon} name="play" /></button></li>`,
      )}</ul>
    </section>
    <${Recent} />
  </div>`;
}

// What it would use, asked for when the choice has been still for a moment.
function Estimate({ body }) {
  const [told, setTold] = useState(null);
  const { topic, ...rest } = body;
  useEffect(() => {
    if (!offers("/api/debates/estimate")) return undefined;
    let over = false;
    const timer = setTimeout(async () => {
      try {
        const found = await post("/api/debates/estimate", { ...rest, topic: topic.trim() || "?" });
        if (!over) setTold(found);
      } catch {
        if (!over) setTold(null);
      }
    }, 600);
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }, [JSON.stringify(rest), topic.length >> 8]);
  if (!told) return null;
  const money = (usd) => (usd === 0 ? "free" : `$${usd.toFixed(usd < 0.1 ? 4 : 2)}`);
  const cost = told.cost_usd == null ? "price not known" : told.cost_usd === 0 ? "free" : `about ${money(told.cost_usd)}, at most ${told.cost_usd_at_most == null ? "unknown" : money(told.cost_usd_at_most)}`;
  return html`<span class="nowrap">Up to ${told.calls} calls, ${cost}.</span>`;
}

function Recent() {
  const found = usePolled(() => get(`/api/debates?limit=${RECENT}`), 6000, []).value?.debates || [];
  if (!found.length) return null;
  return html`<section aria-labelledby="recent">
    <h2 id="recent">Lately</h2>
    <ul class="rows">${found.map((row) => html`<${Row} key=${row.id} row=${row} />`)}</ul>
  </section>`;
}
