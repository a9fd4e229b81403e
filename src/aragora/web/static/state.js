// A debate as its events tell it. Pure: events in, a picture out; nothing here touches the document or the network.

export function fresh(id) {
  return {
    id,
    last: 0, // number of the last event taken
    brief: null,
    seats: [], // { name, agent, place }
    rounds: new Map(), // number -> { number, phase, texts: Map(`${phase}/${seat}` -> message), critiques: Map(target -> []), ballots, tally }
    people: new Map(), // voter -> vote
    working: new Map(), // seat -> { round, phase } while it is being asked
    missing: [],
    paused: false,
    suggestions: [], // what people put to the agents
    recalled: null, // { round, quotations }: what the seats read of earlier debates
    asked: new Map(), // turn key -> a turn that waits for a person
    usage: { tokens: 0, cost: 0, priced: false },
    outcome: null,
    seconds: null,
    started: null,
  };
}

function round(state, number) {
  let found = state.rounds.get(number);
  if (!found) {
    found = { number, phase: "propose", texts: new Map(), critiques: new Map(), ballots: new Map(), absent: new Map(), tally: null };
    state.rounds.set(number, found);
  }
  return found;
}

// Take an event that is in the log. Returns false for one that was seen before, and null for one that came too early.
export function take(state, event) {
  if (event.seq <= state.last) return false;
  if (event.seq > state.last + 1) return null;
  state.last = event.seq;
  const { data } = event;
  switch (event.type) {
    case "debate_start":
      state.brief = data;
      state.started = event.timestamp;
      state.seats = data.seats.map((seat, place) => ({ ...seat, place }));
      break;
    case "agent_message":
      spoke(state, data, event.seq);
      break;
    case "agent_abstained":
      absent(state, data);
      break;
    case "vote_cast":
      if (data.kind === "person") state.people.set(data.voter, data);
      else voted(state, data);
      break;
    case "audience_suggestion":
      state.suggestions.push(data);
      break;
    case "memories_recalled":
      state.recalled = data;
      break;
    case "debate_paused":
    case "debate_resumed":
      state.paused = data.paused;
      break;
    case "turn_asked":
      state.asked.set(`${data.round}/${data.phase}/${data.seat}`, data);
      break;
    case "round_complete":
      round(state, data.round).tally = data;
      state.working.clear();
      break;
    case "debate_end":
      state.outcome = data;
      state.asked.clear();
      state.seconds = data.duration_seconds ?? null;
      state.working.clear();
      break;
    default: // events of a later version are counted, so that the numbers go on
  }
  return true;
}

function heard(state, data) {
  const here = round(state, data.round);
  here.phase = data.phase;
  state.asked.delete(`${data.round}/${data.phase}/${data.seat}`);
  state.working.delete(data.seat);
  const { usage } = data;
  if (usage?.tokens_in != null || usage?.tokens_out != null) state.usage.tokens += (usage.tokens_in ?? 0) + (usage.tokens_out ?? 0);
  if (usage?.cost_usd != null) {
    state.usage.cost += usage.cost_usd;
    state.usage.priced = true;
  }
  return here;
}

function spoke(state, data, seq) {
  const here = heard(state, data);
  const said = { ...data, seq };
  if (data.phase === "critique") {
    const target = data.target || "";
    here.critiques.set(target, [...(here.critiques.get(target) || []), said]);
  } else {
    here.texts.set(`${data.phase}/${data.seat}`, said);
  }
}

function voted(state, data) {
  heard(state, data).ballots.set(data.seat, data);
}

function absent(state, data) {
  const here = heard(state, data);
  const { fault = "unavailable", detail = "" } = data.abstention || {};
  here.absent.set(`${data.phase}/${data.seat}`, { fault, detail });
  state.missing.push({ seat: data.seat, round: data.round, phase: data.phase, fault, detail });
}

export function thinking(state, data) {
  if (state.outcome) return;
  round(state, data.round).phase = data.phase;
  state.working.set(data.seat, { round: data.round, phase: data.phase });
}

export const current = (state) => Math.max(0, ...state.rounds.keys());
export const numbers = (state) => [...state.rounds.keys()].sort((a, b) => a - b);

// The text a seat stands behind at the end of a round: its newest answer up to then.
export function standing(state, seat, upto = Infinity) {
  let found = null;
  for (const number of numbers(state)) {
    if (number > upto) break;
    const { texts } = state.rounds.get(number);
    found = texts.get(`revise/${seat}`) || texts.get(`propose/${seat}`) || found;
  }
  return found;
}

// Who voted for another answer than before, round by round, and why.
export function switches(state) {
  const before = new Map();
  const found = [];
  for (const number of numbers(state)) {
    for (const [seat, ballot] of state.rounds.get(number).ballots) {
      const old = before.get(seat);
      if (old && old !== ballot.choice) found.push({ seat, round: number, from: old, to: ballot.choice, reason: ballot.reasoning });
      before.set(seat, ballot.choice);
    }
  }
  return found;
}

// Ballots as they come in, before the round is counted.
export function counted(here) {
  const counts = {};
  for (const { choice } of here.ballots.values()) counts[choice] = (counts[choice] || 0) + 1;
  return counts;
}

// How many seats the rule asks for; null where only the server can say.
export function needed(brief) {
  const n = brief.seats.length;
  const rules = { majority: Math.floor(n / 2) + 1, supermajority: Math.ceil((2 * n) / 3 - 1e-9), unanimous: n };
  const base = rules[brief.rule];
  if (base === undefined) return null;
  return Math.max(base, brief.threshold == null ? 0 : Math.max(1, Math.ceil(brief.threshold * n - 1e-9)));
}

export function people(state) {
  const counts = {};
  for (const { choice } of state.people.values()) counts[choice] = (counts[choice] || 0) + 1;
  return counts;
}
