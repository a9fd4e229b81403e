// What a page holds while it shows one debate: what its log tells, and what is being written; `version` rises with every change.
import { signal } from "./dom.js";
import { Live } from "./live.js";
import { Streams } from "./streams.js";
import { fresh, take, thinking } from "./state.js";
import { announce, percent, words } from "./ui.js";

export class Watched {
  constructor(id) {
    this.state = fresh(id);
    this.streams = new Streams();
    this.version = signal(0);
    this.line = signal("new");
    this.gone = signal(null);
    this.frame = 0;
    this.live = new Live(id, {
      event: (event) => this.event(event),
      piece: (frame) => this.piece(frame),
      line: (line) => this.lined(line),
      gone: (problem) => (this.gone.value = problem),
    });
  }

  event(event) {
    const taken = take(this.state, event);
    if (taken) {
      const { data } = event;
      if (data.seat) this.streams.end(`${data.round}/${data.phase}/${data.seat}`);
      if (event.type === "debate_end") this.streams.clear();
      if (this.line.value === "live") tell(this.state, event);
      this.changed();
    }
    return taken;
  }

  piece({ type, data }) {
    const key = `${data.round}/${data.phase}/${data.seat}`;
    const here = this.state.rounds.get(data.round);
    if (here?.texts.has(`${data.phase}/${data.seat}`) || this.state.outcome) return;
    const known = this.streams.open.has(key);
    if (type === "agent_thinking") {
      thinking(this.state, data);
      this.streams.begin(key, true);
    } else {
      if (!this.state.working.has(data.seat)) thinking(this.state, data);
      this.streams.add(key, data.text);
    }
    if (!known || type === "agent_thinking") this.changed();
  }

  lined(line) {
    if (line === "lost" && this.line.value === "live") this.streams.cut();
    this.line.value = line;
  }

  // Many events may come at once; the page is drawn once for all of them.
  changed() {
    if (this.frame) return;
    this.frame = setTimeout(() => {
      this.frame = 0;
      this.version.value += 1;
    }, 16);
  }

  close() {
    clearTimeout(this.frame);
    this.live.close();
    this.streams.clear();
  }
}

function tell(state, { type, data }) {
  if (type === "agent_message" && data.phase !== "critique") announce(`${data.seat}: ${words("phases", data.phase)}, round ${data.round}.`);
  if (type === "agent_abstained") announce(`${data.seat} ${words("faults", data.abstention?.fault)}.`);
  if (type === "round_complete") announce(`Round ${data.round} is over: ${percent(data.agreement)} agree.`);
  if (type === "debate_end") announce(`The debate has ended: ${words("outcomes", data.outcome)[0] || data.outcome}. ${data.winner ? `The answer is that of ${data.winner}.` : ""}`);
}
