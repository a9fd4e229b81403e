// Who sits at the table: the seats that are taken, and the agents, models and people that can take one.
import { html, useState } from "../dom.js";
import { config, get, offers } from "../api.js";
import { Avatar, Icon, percent, plural, usePolled } from "../ui.js";

const CHIPS_MAX = 14;
const REFRESH_MS = 30000;
export const PERSON = "person"; // a seat that whoever watches can hold

const price = ({ usd_per_million_in: read, usd_per_million_out: written }) =>
  read == null ? "price not known" : read + written === 0 ? "free" : `$${read} read, $${written} written per million tokens`;

// How it has answered of late: a word to show beside it, and whether it is well.
function health({ health: { state, calls, error_rate: failed, latency_s: latency, retry_in_s: retry } }) {
  if (state === "open") return ["bad", `not answering; tried again in ${Math.ceil(retry || 0)} s`];
  if (state === "half_open" || failed > 0.2) return ["warm", `${percent(failed || 0)} of its last calls failed`];
  return calls ? ["good", latency == null ? "answering" : `answers in ${latency.toFixed(1)} s`] : ["", ""];
}

export function Seats({ seats, setSeats }) {
  const { value } = usePolled(() => get("/api/agents?limit=200"), REFRESH_MS, []);
  const agents = (value?.agents || []).filter((agent) => agent.configured);
  const full = seats.length >= config.agents_max;
  const add = (name) => !full && setSeats([...seats, name]);
  return html`<fieldset class="panel">
    <legend>${plural(seats.length, "seat")} at the table</legend>
    <ul class="seats">${seats.map(
      (name, place) => html`<li key=${`${place}${name}`} class=${`seat s${place % 8}`}>
        <${Avatar} name=${name} place=${place} /><span>${name === PERSON ? "you" : name}</span>
        <button type="button" aria-label=${`Remove ${name === PERSON ? "you" : name}`} onClick=${() => setSeats(seats.filter((_, at) => at !== place))} disabled=${seats.length === 1}><${Icon} name="x" /></button>
      </li>`,
    )}</ul>
    <div class="more" role="group" aria-label="Add a seat">
      ${agents.slice(0, CHIPS_MAX).map((agent) => html`<${Offer} key=${agent.name} agent=${agent} full=${full} add=${add} />`)}
      ${agents.length > CHIPS_MAX && html`<${Others} agents=${agents.slice(CHIPS_MAX)} add=${add} />`}
      ${offers("/api/debates/{id}/turn") && html`<button type="button" class="chip add" aria-label="Add yourself" title="A seat that you hold: the page asks you when it is your turn" disabled=${full} onClick=${() => add(PERSON)}><${Icon} name="plus" />yourself</button>`}
      <${Model} full=${full} add=${add} />
    </div>
  </fieldset>`;
}

function Offer({ agent, full, add }) {
  const [state, told] = health(agent);
  const about = [agent.about, price(agent), told].filter(Boolean).join(" · ");
  const usd = agent.usd_per_million_in > 0 ? `$${agent.usd_per_million_in} / $${agent.usd_per_million_out}` : "";
  const name = [`Add ${agent.name} ${usd}`.trim(), told].filter(Boolean).join(", ");
  return html`<button type="button" class="chip add" title=${about} aria-label=${name} disabled=${full} onClick=${() => add(agent.name)}>
    <${Icon} name="plus" />${agent.name}${usd && html` <small>${usd}</small>`}${state && html`<i class=${`pulse ${state}`}></i>`}</button>`;
}

function Others({ agents, add }) {
  return html`<select aria-label="Add another agent" value="" onChange=${({ target }) => {
    if (target.value) add(target.value);
    target.value = "";
  }}>
    <option value="">more agents …</option>
    ${agents.map((agent) => html`<option key=${agent.name} value=${agent.name}>${`${agent.name} (${price(agent)})`}</option>`)}
  </select>`;
}

// Any model of any provider, by its name.
function Model({ full, add }) {
  const [open, setOpen] = useState(false);
  const [name, setName] = useState("");
  const done = () => {
    if (name.trim()) add(name.trim());
    setName("");
    setOpen(false);
  };
  const keys = (event) => {
    if (event.key === "Escape") setOpen(false);
    if (event.key !== "Enter") return;
    event.preventDefault(); // the question is not finished yet
    done();
  };
  if (!open) return html`<button type="button" class="chip add" title="A model of a provider whose key the server has" disabled=${full} onClick=${() => setOpen(true)}><${Icon} name="plus" />another model</button>`;
  return html`<span class="model"><input aria-label="Provider and model" placeholder="anthropic:MODEL" maxlength="200" value=${name} onInput=${(event) => setName(event.target.value)} onKeyDown=${keys} ref=${(node) => node && document.activeElement !== node && !name && node.focus()} />
    <button type="button" onClick=${done} disabled=${!name.trim()}>Add</button></span>`;
}
