// What can be taken along from a debate: its address, and its content in several forms.
import { html, useState } from "../dom.js";
import { ask, offers, post, session } from "../api.js";
import { Icon, copy, percent, save, words } from "../ui.js";
import { numbers } from "../state.js";

export function Share({ state }) {
  const [done, setDone] = useState("");
  const { id } = state;
  // Where people log in, a link that others can follow has to be made; for whoever may not make one, the address is all there is.
  const link = async () => {
    let address = location.href;
    if (session.value && !location.search) {
      const made = await post(`/api/debates/${id}/share`, { visibility: "shared" }).catch(() => null);
      if (made) address = `${location.origin}/d/${id}?share=${encodeURIComponent(made.token)}`;
    }
    const copied = await copy(address);
    setDone(copied ? "Link copied" : address);
    setTimeout(() => setDone(""), 4000);
  };
  const take = async (path, name, type) => {
    try {
      save(name, await (await ask("GET", path)).text(), type);
    } catch (problem) {
      setDone(problem.message);
      setTimeout(() => setDone(""), 4000);
    }
  };
  const formats = offers("/api/debates/{id}/export/{format}") ? [["html", "As a page"], ["csv", "As a table"]] : [];
  const about = session.value ? "Whoever has the link may read this debate" : undefined;
  return html`<button class="quiet" title=${about} onClick=${link}><${Icon} name="share" />${done || (session.value ? "Share" : "Copy link")}</button>
    <details class="menu"><summary class="quiet button"><${Icon} name="down" />Export</summary>
      <div class="card">
        <button class="quiet" onClick=${() => save(`debate-${id}.md`, markdown(state), "text/markdown")}>As Markdown</button>
        ${formats.map(([format, label]) => html`<button key=${format} class="quiet" onClick=${() => take(`/api/debates/${id}/export/${format}`, `debate-${id}.${format}`, "application/octet-stream")}>${label}</button>`)}
        <button class="quiet" onClick=${() => take(`/api/debates/${id}`, `debate-${id}.json`, "application/json")}>The debate, JSON</button>
        <button class="quiet" onClick=${() => take(`/api/debates/${id}/events?limit=1000`, `debate-${id}-log.json`, "application/json")}>The log, JSON</button>
      </div></details>`;
}

function markdown(state) {
  const { brief, outcome } = state;
  const lines = [`# ${brief.topic}`, ""];
  if (outcome) lines.push(`**${[].concat(words("outcomes", outcome.outcome))[0]}.** ${words("stopped", outcome.stopped)}`, "", outcome.answer || "", "");
  for (const number of numbers(state)) {
    const here = state.rounds.get(number);
    lines.push(`## Round ${number}`, "");
    for (const [key, said] of here.texts) lines.push(`### ${said.seat} (${words("phases", key.split("/")[0])})`, "", said.content, "");
    for (const said of [...here.critiques.values()].flat()) lines.push(`> **${said.seat}** to ${said.target || "all"}: ${said.content.replaceAll("\n", "\n> ")}`, "");
    for (const ballot of here.ballots.values()) lines.push(`- ${ballot.seat} votes for ${ballot.choice}: ${ballot.reasoning}`);
    if (here.tally) lines.push("", `${percent(here.tally.agreement)} agree.`, "");
  }
  return lines.join("\n");
}
