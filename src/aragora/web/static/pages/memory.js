// What is remembered across debates: the tiers, how full they are, and what is in them.
import { html, useEffect, useState } from "../dom.js";
import { get } from "../api.js";
import { Fault, Icon, percent, plural, usePolled, when } from "../ui.js";

const ROWS = 50;

export function Memory() {
  const [query, setQuery] = useState("");
  const [asked, setAsked] = useState("");
  const [tier, setTier] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setAsked(query.trim()), 250);
    return () => clearTimeout(timer);
  }, [query]);
  const tiers = usePolled(() => get("/api/memory/tiers"), 10000, []);
  const search = new URLSearchParams({ limit: ROWS, ...(asked && { q: asked }), ...(tier && { tier }) });
  const found = usePolled(() => get(`/api/memory/search?${search}`), 10000, [asked, tier]);
  const rows = found.value?.items || [];
  return html`<div class="narrow">
    <h1>Memory</h1>
    <p class="muted">What is remembered across debates. Each tier forgets at its own pace.</p>
    <${Fault} problem=${tiers.problem || found.problem} />
    <dl class="tiles">${(tiers.value?.tiers || []).map(
      (each) => html`<div key=${each.id} class="card" title=${each.description}><dt>${each.name}</dt>
        <dd>${each.count}</dd><dd class="muted">${percent(each.utilization)} full · ${each.ttl_human === "no end" ? "kept for good" : `kept ${each.ttl_human}`}</dd></div>`,
    )}</dl>
    <div class="filters">
      <label class="search"><span class="sr">Search in memory</span><${Icon} name="search" />
        <input type="search" placeholder="Search in memory" value=${query} onInput=${(e) => setQuery(e.target.value)} /></label>
      <div class="segments" role="group" aria-label="Tier">${[{ id: "", name: "All" }, ...(tiers.value?.tiers || [])].map(
        (each) => html`<button key=${each.id} aria-pressed=${tier === each.id} onClick=${() => setTier(each.id)}>${each.name}</button>`,
      )}</div>
    </div>
    <p class="muted" role="status">${found.value ? plural(found.value.total, "memory", "memories") : "Loading …"}</p>
    ${found.value && !rows.length && html`<p class="card empty">${asked || tier ? "Nothing of this kind is remembered." : html`Nothing is remembered yet. Debates leave what they settled, and a program keeps a text with <code>POST /api/memory/store</code>.`}</p>`}
    <ul class="rows">${rows.map(
      (row) => html`<li key=${row.id} class="row"><p dir="auto" class="remembered">${row.content}</p>
        <p class="muted"><span class="badge">${row.tier}</span> importance ${percent(row.importance)} · ${when(row.created_at)}${row.debate_id && html` · <a href=${`/d/${row.debate_id}`}>the debate</a>`}</p></li>`,
    )}</ul>
  </div>`;
}
