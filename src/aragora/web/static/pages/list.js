// All debates, newest first, with live status and search.
import { html, useEffect, useState } from "../dom.js";
import { get, offers } from "../api.js";
import { Badge, Fault, Icon, plural, usePolled, when } from "../ui.js";

const PAGE = 20;
const REFRESH_MS = 5000;
const FILTERS = [
  ["", "All"],
  ["active", "Live"],
  ["completed", "Decided"],
  ["failed", "Failed"],
  ["cancelled", "Cancelled"],
];

export function Debates() {
  const [status, setStatus] = useState("");
  const [query, setQuery] = useState("");
  const [asked, setAsked] = useState("");
  const [pages, setPages] = useState(1);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(query.trim()), 250);
    return () => clearTimeout(timer);
  }, [query]);
  const searches = Boolean(asked) && offers("/api/search");
  const load = async () => {
    const rows = [];
    let cursor = "";
    let last = null;
    for (let page = 0; page < pages; page += 1) {
      const search = new URLSearchParams({ limit: PAGE });
      if (status) search.set("status", status);
      if (searches) {
        search.set("query", asked);
        search.set("offset", PAGE * page);
        last = await get(`/api/search?${search}`);
        rows.push(...last.debates);
        cursor = last.has_more;
        if (!cursor) break;
        continue;
      }
      if (cursor) search.set("cursor", cursor);
      last = await get(`/api/debates?${search}`);
      rows.push(...last.debates);
      cursor = last.next_cursor;
      if (!cursor) break;
    }
    return { rows, more: Boolean(cursor), total: last.total };
  };
  const { value, problem } = usePolled(load, REFRESH_MS, [status, asked, pages]);
  const wanted = searches ? "" : asked.toLowerCase();
  const rows = (value?.rows || []).filter((row) => row.topic.toLowerCase().includes(wanted));
  return html`<div class="narrow">
    <h1>Debates</h1>
    <div class="filters">
      <label class="search"><span class="sr">Search in topics</span><${Icon} name="search" />
        <input type="search" placeholder="Search in topics" value=${query} onInput=${(e) => setQuery(e.target.value)} /></label>
      <div class="segments" role="group" aria-label="Status">
        ${FILTERS.map(
          ([name, label]) => html`<button key=${name} aria-pressed=${status === name} onClick=${() => {
            setStatus(name);
            setPages(1);
          }}>${label}</button>`,
        )}
      </div>
    </div>
    <${Fault} problem=${problem} />
    <p class="muted" role="status">${value ? (asked ? plural(rows.length, "debate") + " found" + (searches || !value.more ? "" : " among those shown") : plural(value.total, "debate")) : problem ? "" : "Loading …"}</p>
    ${value && !rows.length && html`<p class="card empty">${asked ? "No debate has these words." : html`Nothing here yet. <a href="/">Ask a question.</a>`}</p>`}
    <ul class="rows">${rows.map((row) => html`<${Row} key=${row.id} row=${row} />`)}</ul>
    ${value?.more && html`<p><button onClick=${() => setPages(pages + 1)}>Show more</button></p>`}
  </div>`;
}

export const Row = ({ row }) => html`<li class="row">
  <a href=${`/d/${row.id}`} dir="auto">${row.topic}</a>
  <p class="muted"><${Badge} status=${row.status} outcome=${row.outcome} /> ${plural(row.agents.length, "seat")} ·
    round ${row.rounds_used} of ${row.total_rounds} · <time class="nowrap" dateTime=${row.created_at}>${when(row.created_at)}</time></p>
</li>`;
