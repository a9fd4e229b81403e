// What makes a result one that can be defended: what other rules would have said, and a receipt that is checked here.
import { html, useState } from "../dom.js";
import { ask, call, get, offers } from "../api.js";
import { Chip, Fault, Icon, plural, save, usePolled } from "../ui.js";

const title = (rule) => rule.replaceAll("_", " ");
const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

// The last vote under every rule, and how few changed ballots would have changed it.
export function Rules({ state }) {
  const { value } = usePolled(() => get(`/api/debates/${state.id}/decisions`), 0, [state.id]);
  const rows = value?.decisions || [];
  if (!rows.length) return null;
  const own = rows.find((row) => row.own);
  const others = Map.groupBy(rows.filter((row) => !row.same), (row) => row.winner || "");
  const chip = (name) => html`<${Chip} name=${name} seats=${state.seats} />`;
  return html`<section class="card" aria-labelledby="rules">
    <h2 id="rules">How close it was</h2>
    ${own?.flip != null && html`<p>${own.flip === 1 ? "One other ballot" : `${own.flip} other ballots`} would have made ${chip(own.flip_to)} the answer.</p>`}
    <p class="muted">${others.size ? `${rows.filter((row) => row.same).length} of ${rows.length}` : `All ${rows.length}`} rules ${own?.winner ? "choose the same" : "find no winner"}.
      ${[...others].map(([winner, each]) => html` <span key=${winner}>By ${listed(each.map((row) => title(row.rule)))} ${winner ? html`it would be ${chip(winner)}` : "nobody would win"}.</span>`)}</p>
    <details class="folded"><summary class="label">Every rule</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="The last vote under every rule"><table class="figures tight"><thead><tr><th scope="col">Rule</th><th scope="col">Chooses</th><th scope="col">Met</th><th scope="col" class="n">Ballots to another</th></tr></thead>
        <tbody>${rows.map((row) => html`<tr key=${row.rule} class=${row.own ? "own" : ""}><th scope="row">${title(row.rule)}</th><td>${row.winner ? chip(row.winner) : "nobody"}</td><td>${row.reached ? "yes" : "no"}</td><td class="n">${row.flip ?? "–"}</td></tr>`)}</tbody></table></div></details>
  </section>`;
}

// A receipt to keep, and its check: this browser adds up the hashes, the server counts the ballots again.
export function Receipt({ state }) {
  const [checked, setChecked] = useState(null);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  if (!offers("/api/debates/{id}/receipt")) return null;
  const path = `/api/debates/${state.id}/receipt`;
  const act = async (work) => {
    setBusy(true);
    try {
      await work();
      setProblem(null);
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  const take = (form, type) => act(async () => save(`debate-${state.id}-receipt.${form}`, await (await ask("GET", `${path}?format=${form}`)).text(), type));
  const check = () =>
    act(async () => {
      const text = await (await ask("GET", path)).text();
      const { added } = await import("../receipt.js");
      const again = (problem) => (problem.status === 401 ? null : Promise.reject(problem)); // whoever has only a link may not ask for it
      const [here, there] = await Promise.all([added(text), call("POST", "/api/receipts/verify", text).catch(again)]);
      setChecked({ here, there, head: JSON.parse(text).head, seen: state.last });
    });
  return html`<section class="card" aria-labelledby="receipt">
    <h2 id="receipt">Receipt</h2>
    <p class="muted">Every event of this debate, chained by hashes: whoever keeps it can prove later how it went.</p>
    <div class="links"><button disabled=${busy} onClick=${check}><${Icon} name="check" />Check it</button>
      <button class="quiet" disabled=${busy} onClick=${() => take("json", "application/json")}><${Icon} name="down" />JSON</button>
      <button class="quiet" disabled=${busy} onClick=${() => take("html", "text/html")}><${Icon} name="down" />To print</button></div>
    ${checked && html`<${Verdict} ...${checked} />`}
    <${Fault} problem=${problem} />
  </section>`;
}

function Verdict({ here, there, head, seen }) {
  const lines = [
    here ? [here.whole, here.whole ? `This browser has added up ${plural(here.events, "event")} to the same hash.` : here.broken ? `Event ${here.broken} does not fit its hash.` : "What it says in short is not what its events say."] : null,
    here && [here.events === seen, here.events === seen ? "These are the events that this page was shown." : `This page was shown ${plural(seen, "event")}.`],
    there && [there.whole, there.whole ? "The server has counted the ballots again, with the same outcome." : `The server found a flaw: ${there.altered || there.flaws[0]}.`],
  ].filter(Boolean);
  const good = lines.length > 0 && lines.every(([fits]) => fits);
  return html`<div class=${`notice ${good ? "good" : "bad"}`} role="status"><span><strong>${good ? "Whole." : lines.length ? "Not whole." : "Not checked."}</strong>
    <ul class="plain">${lines.map(([fits, words]) => html`<li key=${words}><${Icon} name=${fits ? "check" : "alert"} /> ${words}</li>`)}</ul>
    <small>Head <code>${head}</code>. ${there?.signed_by ? html`Signed by <code>${there.signed_by}</code>.` : "Not signed."}</small></span></div>`;
}
