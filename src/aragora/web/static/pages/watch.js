// One debate: followed while it runs, shown whole when it has ended. Everything on it comes from the log.
import { html, useEffect, useLayoutEffect, useRef, useState } from "../dom.js";
import { config, offers, post, session } from "../api.js";
import { current } from "../state.js";
import { Watched } from "../watched.js";
import { Badge, Fault, Icon, announce, plural } from "../ui.js";
import { Board } from "./board.js";
import { Meter, Timeline } from "./timeline.js";
import { Result } from "./result.js";
import { Share } from "./take.js";
import { People, Suggestions, Turns } from "./people.js";
import { Recalled } from "./recalled.js";

const LOST_AFTER_MS = 1200; // a line that is back sooner was not worth a word

export function Watch({ id, served }) {
  const [watched] = useState(() => new Watched(id));
  useEffect(() => () => watched.close(), []);
  watched.version.value; // what is read here draws this again
  const state = { ...watched.state }; // a new object, since components with the same properties are not drawn again
  useEffect(() => {
    if (state.brief) document.title = `${state.outcome ? "" : "● "}${state.brief.topic.slice(0, 80)} · Aragora`;
  }, [Boolean(state.brief), Boolean(state.outcome)]);
  if (watched.gone.value) {
    return html`<div class="narrow"><h1>No such debate</h1><p>It may never have been, the address was cut short, or it is not for you to read.</p>
      <p class="links">${config.auth !== "off" && !session.value && html`<a class="button primary" href="/account">Log in</a>`}
        <a class="button" href="/debates">See all debates</a> <a class="button" href="/">Ask a question</a></p></div>`;
  }
  if (!state.brief) return html`<${Waiting} lost=${watched.line.value === "lost"} served=${served} />`;
  return html`<${Debate} watched=${watched} state=${state} />`;
}

// What the server wrote stands until the log has been read.
function Waiting({ lost, served }) {
  if (served) return html`<div ref=${(node) => node && !node.firstChild && node.append(served)}></div>`;
  return html`<div class="narrow"><h1 class="sr">Debate</h1><p class="muted" role="status">${lost ? "The server cannot be reached; trying again …" : "Loading …"}</p></div>`;
}

// Whoever reads further down when the result is put above keeps their place, and is told; [where to look, whether to tell].
function useStill(ended) {
  const section = useRef(null);
  const was = useRef(ended);
  const [tell, setTell] = useState(false);
  const top = () => section.current?.querySelector(".board")?.getBoundingClientRect().top;
  const before = ended && !was.current && scrollY > 0 ? top() : undefined;
  useLayoutEffect(() => {
    was.current = ended;
    if (before === undefined) return undefined;
    const article = section.current.parentElement;
    const by = top() - before;
    // What ended with the debate is missing below, and no page is scrolled past its end: room takes its place.
    const missing = scrollY + by + innerHeight - document.documentElement.scrollHeight;
    article.style.paddingBlockEnd = `${Math.max(0, missing)}px`;
    scrollBy({ top: by, behavior: "instant" });
    setTell(true);
    const seen = () => {
      if (scrollY >= innerHeight / 2) return;
      setTell(false);
      article.style.paddingBlockEnd = "";
    };
    addEventListener("scroll", seen, { passive: true });
    return () => removeEventListener("scroll", seen);
  }, [ended]);
  return [section, tell];
}

function Debate({ watched, state }) {
  const [pinned, pin] = useState(null); // the round that is looked at; null: the newest
  const newest = current(state);
  const shown = pinned !== null && state.rounds.has(pinned) ? pinned : newest;
  const { brief, outcome } = state;
  const [section, tell] = useStill(Boolean(outcome));
  return html`<article class="debate">
    <header class="topic">
      <p class="over"><${Badge} status=${state.paused ? "paused" : "active"} outcome=${outcome?.outcome} /><${Line} line=${watched.line} /></p>
      <h1 dir="auto" class=${brief.topic.length > 140 ? "long" : ""}>${brief.topic}</h1>
      <p class="by muted">${plural(brief.seats.length, "seat")} · ${brief.protocol.split("@")[0].replaceAll("_", " ")} · agreed by ${brief.rule.replaceAll("_", " ")}
        <${Spent} state=${state} /></p>
      <div class="actions"><${Share} state=${state} />${!outcome && html`<${Steer} id=${state.id} paused=${state.paused} />`}</div>
    </header>
    ${outcome && html`<${Result} key="result" state=${state} />`}
    <section key="how" class="how" aria-labelledby="how" ref=${section}>
      <h2 id="how" class=${outcome ? "" : "sr"}>How it was reached</h2>
      <${Timeline} state=${state} shown=${shown} pinned=${pinned !== null} pin=${pin} />
      <${Turns} key="turns" state=${state} />
      ${!outcome && html`<${Meter} key="meter" state=${state} number=${shown} />`}
      <${Recalled} key="recalled" recalled=${state.recalled} />
      <${Board} key=${`board${shown}`} watched=${watched} state=${state} number=${shown} />
    </section>
    <div key="people" class="audience"><${People} state=${state} /><${Suggestions} state=${state} /></div>
    ${tell && html`<a key="ended" class="button primary ended" href="#answer">The debate has ended. See the answer</a>`}
  </article>`;
}

// A word on the line, only when it has been gone for a while, and when it is back.
function Line({ line }) {
  const [late, setLate] = useState(false);
  const lost = line.value === "lost";
  useEffect(() => {
    if (!lost) {
      if (late) announce("Connected again. Nothing was missed.");
      setLate(false);
      return undefined;
    }
    const timer = setTimeout(() => setLate(true), LOST_AFTER_MS);
    return () => clearTimeout(timer);
  }, [lost]);
  return late && html`<span class="notice bad inline" role="status"><${Icon} name="live" /> Connection lost. Reconnecting; nothing will be missed.</span>`;
}

function Spent({ state: { usage, seconds, started, outcome } }) {
  const [, tick] = useState(0);
  useEffect(() => {
    if (outcome) return undefined;
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => clearInterval(timer);
  }, [Boolean(outcome)]);
  const past = seconds ?? Math.max(0, (Date.now() - new Date(started)) / 1000);
  return html` · <span class="n">${clock(past)}</span>${usage.tokens > 0 && html` · <span class="n">${usage.tokens.toLocaleString()} tokens</span>`}
    ${usage.priced && usage.cost > 0 && html` · <span class="n">$${usage.cost.toFixed(usage.cost < 0.1 ? 4 : 2)}</span>`}`;
}

const clock = (s) => (s < 60 ? `${Math.round(s)} s` : `${Math.floor(s / 60)} min ${String(Math.round(s % 60)).padStart(2, "0")} s`);

function Steer({ id, paused }) {
  const [sure, setSure] = useState(false);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const act = async (verb) => {
    setBusy(true);
    try {
      await post(`/api/debates/${id}/${verb}`);
      setProblem(null);
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
    setSure(false);
  };
  const verb = paused ? "resume" : "pause";
  return html`${offers("/api/debates/{id}/pause") && offers("/api/debates/{id}/resume") &&
    html`<button class="quiet" disabled=${busy} onClick=${() => act(verb)}><${Icon} name=${paused ? "play" : "pause"} />${paused ? "Resume" : "Pause"}</button>`}
    ${sure
      ? html`<span class="confirm" key="sure">End it now?
          <button class="danger" disabled=${busy} onClick=${() => act("cancel")} ref=${(node) => node?.focus()}>End it</button>
          <button class="quiet" onClick=${() => setSure(false)}>Go on</button></span>`
      : html`<button class="quiet" key="cancel" onClick=${() => setSure(true)}><${Icon} name="stop" />Cancel</button>`}
    <${Fault} problem=${problem} />`;
}

