// What the seats read of earlier debates: dated, with its source, and not before they had answered blind.
import { html } from "../dom.js";
import { plural } from "../ui.js";

const DEBATE = /^debate ([0-9a-f]{32})$/;

export function Recalled({ recalled }) {
  if (!recalled?.quotations.length) return null;
  return html`<details class="card recalled">
    <summary>${plural(recalled.quotations.length, "quotation")} from earlier debates, read from round ${recalled.round} on</summary>
    <ul class="plain reasons">${recalled.quotations.map(
      ({ content, date, source }) => html`<li key=${source + content}><q dir="auto">${content}</q>
        <span class="muted"> ${date}${DEBATE.test(source) && html` · <a href=${`/d/${DEBATE.exec(source)[1]}`}>the debate</a>`}</span></li>`,
    )}</ul>
  </details>`;
}
