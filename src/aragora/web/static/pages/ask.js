// Ask: one field, who debates, and how; examples that start at once.
import { html, useEffect, useRef, useState } from "../dom.js";
import { config, get, offers, post, recall, remember } from "../api.js";
import { Avatar, Badge, Fault, Icon, percent, plural, usePolled, when } from "../ui.js";

const PANEL = ["demo:optimist", "demo:sceptic", "demo:pragmatist"];
const CHIPS_MAX = 14;
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
const PERSON = "person"; // a seat that whoever watches can hold

const price = ({ usd_per_million_in: read, usd_per_million_out: written }) =>
  read == null ? "price not known" : read + written === 0 ? "free" : `$${read} read, $${written} written per million tokens`;

// How it has answered of late: a word to show beside it, and whether it is well.
function health({ health: { state, calls, error_rate: failed, latency_s: latency, retry_in_s: retry } }) {
  if (state === "open") return ["bad", `not answering; tried again in ${Math.ceil(retry || 0)} s`];
  if (state === "half_open" || failed > 0.2) return ["warm", `${percent(failed || 0)} of its last calls failed`];
  return calls ? ["good", latency == null ? "answering" : `answers in ${latency.toFixed(1)} s`] : ["", ""];
}

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
  const agents = (usePolled(() => get("/api/agents?limit=200"), 30000, []).value?.agents || []).filter((agent) => agent.configured);

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
  const add = (name) => !full && setSeats([...seats, name]);
  const paid = seats.some((name) => !name.startsWith("demo") && name !== PERSON);
  const full = seats.length >= config.agents_max;
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
      <fieldset class="panel">
        <legend>${plural(seats.length, "seat")} at the table</legend>
        <ul class="seats">
          ${seats.map(
            (name, place) => html`<li key=${`${place}${name}`} class=${`seat s${place % 8}`}>
              <${Avatar} name=${name} place=${place} /><span>${name}</span>
              <button type="button" aria-label=${`Remove ${name}`} onClick=${() => setSeats(seats.filter((_, at) => at !== place))}
                disabled=${seats.length === 1}><${Icon} name="x" /></button>
            </li>`,
          )}
        </ul>
        <div class="more" role="group" aria-label="Add a seat">
          ${agents.slice(0, CHIPS_MAX).map(
            (agent) => html`<${Offer} key=${agent.name} agent=${agent} full=${full} add=${add} />`,
          )}
          ${offers("/api/debates/{id}/turn") && html`<button type="button" class="chip add" aria-label="Add yourself" title="A seat that you hold: the page asks you when it is your turn" disabled=${full} onClick=${() => add(PERSON)}><${Icon} name="plus" />yourself</button>`}
          ${agents.length > CHIPS_MAX && html`<${Other} agents=${agents.slice(CHIPS_MAX)} add=${add} />`}
        </div>
      </fieldset>
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

function Offer({ agent, full, add }) {
  const [state, told] = health(agent);
  const about = [agent.about, price(agent), told].filter(Boolean).join(" · ");
  const usd = agent.usd_per_million_in > 0 ? `$${agent.usd_per_million_in} / $${agent.usd_per_million_out}` : "";
  const name = [`Add ${agent.name} ${usd}`.trim(), told].filter(Boolean).join(", ");
  return html`<button type="button" class="chip add" title=${about} aria-label=${name} disabled=${full} onClick=${() => add(agent.name)}>
    <${Icon} name="plus" />${agent.name}${usd && html` <small>${usd}</small>`}${state && html`<i class=${`pulse ${state}`}></i>`}</button>`;
}

function Other({ agents, add }) {
  return html`<select aria-label="Add another agent" value="" onChange=${({ target }) => {
    if (target.value) add(target.value);
    target.value = "";
  }}>
    <option value="">more agents …</option>
    ${agents.map((agent) => html`<option key=${agent.name} value=${agent.name}>${`${agent.name} (${price(agent)})`}</option>`)}
  </select>`;
}

function Recent() {
  const found = usePolled(() => get(`/api/debates?limit=${RECENT}`), 6000, []).value?.debates || [];
  if (!found.length) return null;
  return html`<section aria-labelledby="recent">
    <h2 id="recent">Lately</h2>
    <ul class="rows">${found.map((row) => html`<${Row} key=${row.id} row=${row} />`)}</ul>
  </section>`;
}

export const Row = ({ row }) => html`<li class="row">
  <a href=${`/d/${row.id}`} dir="auto">${row.topic}</a>
  <p class="muted"><${Badge} status=${row.status} outcome=${row.outcome} /> ${plural(row.agents.length, "seat")} ·
    round ${row.rounds_used} of ${row.total_rounds} · <time class="nowrap" dateTime=${row.created_at}>${when(row.created_at)}</time></p>
</li>`;
