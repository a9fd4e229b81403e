// The page: header, routes, theme. Which pages there are depends on what the server offers.
import { html, render, signal, useEffect, useState } from "./dom.js";
import { config, offers, recall, remember, session } from "./api.js";
import { Announcer, Icon } from "./ui.js";
import { Ask } from "./pages/ask.js";
import { Debates } from "./pages/list.js";
import { Watch } from "./pages/watch.js";

const path = signal(location.pathname);
const theme = signal(recall("theme") || "auto");

const LINKS = [
  ["/", "Ask"],
  ["/debates", "Debates"],
  ["/leaderboard", "Leaderboard"],
  ["/memory", "Memory"],
  ["/status", "Status"],
].filter(([to]) => to !== "/memory" || offers("/api/memory/tiers"));

export function go(to) {
  if (to !== location.pathname + location.search) history.pushState(null, "", to);
  path.value = location.pathname;
  scrollTo(0, 0);
  document.getElementById("main")?.focus({ preventScroll: true });
}

addEventListener("popstate", () => (path.value = location.pathname));
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (link.target || link.hasAttribute("download") || link.pathname.startsWith("/api/") || !page(link.pathname)) return;
  event.preventDefault();
  go(link.pathname + link.search);
});

// A page that few open first: its module is loaded when it is gone to.
function Later({ load, ...given }) {
  const [shown, show] = useState(null);
  useEffect(() => {
    load().then((view) => show(() => view), () => show(() => Lost));
  }, []);
  return shown ? html`<${shown} ...${given} />` : html`<div class="narrow"><p class="muted" role="status">Loading …</p></div>`;
}

const Lost = () => html`<div class="narrow"><h1>The server cannot be reached</h1><p>Load the page again in a moment.</p></div>`;
const leaderboard = () => import("./pages/leaderboard.js").then((module) => module.Leaderboard);
const memory = () => import("./pages/memory.js").then((module) => module.Memory);
const account = () => import("./pages/account.js").then((module) => module.Account);
const status = () => import("./pages/status.js").then((module) => module.Status);

function page(at) {
  const debate = /^\/d\/([^/]+)$/.exec(at);
  if (debate) return { title: null, view: () => html`<${Watch} key=${debate[1]} id=${debate[1]} served=${served?.dataset.debate === debate[1] ? served : null} />` };
  return {
    "/": { title: "Aragora", view: () => html`<${Ask} go=${go} />` },
    "/debates": { title: "Debates · Aragora", view: () => html`<${Debates} />` },
    "/leaderboard": { title: "Leaderboard · Aragora", view: () => html`<${Later} key="leaderboard" load=${leaderboard} />` },
    "/memory": { title: "Memory · Aragora", view: () => html`<${Later} key="memory" load=${memory} />` },
    "/account": { title: "Account · Aragora", view: () => html`<${Later} key="account" load=${account} go=${go} />` },
    "/status": { title: "Status · Aragora", view: () => html`<${Later} key="status" load=${status} />` },
  }[at];
}

const Nowhere = () => html`<div class="narrow"><h1>No such page</h1><p class="links"><a class="button" href="/">Ask a question</a></p></div>`;

const NEXT = { auto: "light", light: "dark", dark: "auto" };
const THEME_ICONS = { auto: "auto", light: "sun", dark: "moon" };

function Theme() {
  const turn = () => {
    theme.value = NEXT[theme.value];
    remember("theme", theme.value === "auto" ? null : theme.value);
    if (theme.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
  };
  const label = `Colours: ${theme.value === "auto" ? "as the system" : theme.value}. Change to ${NEXT[theme.value]}.`;
  return html`<button class="quiet round" onClick=${turn} aria-label=${label} title=${label}>
    <${Icon} name=${THEME_ICONS[theme.value]} />
  </button>`;
}

function App({ brand }) {
  const shown = page(path.value);
  useEffect(() => {
    if (shown?.title) document.title = shown.title;
  }, [path.value]);
  return html`
    <a class="skip" href="#main">Skip to content</a>
    <header class="bar">
      <a class="brand" href="/" aria-label="Aragora" ref=${(node) => node && !node.firstChild && node.append(...brand)}></a>
      <nav aria-label="Pages">
        ${LINKS.map(
          ([to, name]) => html`<a key=${to} href=${to} aria-current=${path.value === to ? "page" : undefined}>${name}</a>`,
        )}
      </nav>
      ${config.auth !== "off" && html`<a class="who" href="/account" aria-current=${path.value === "/account" ? "page" : undefined}>${session.value ? "Account" : "Log in"}</a>`}
      <${Theme} />
    </header>
    <main id="main" tabindex="-1">${shown ? shown.view() : html`<${Nowhere} />`}</main>
    <${Announcer} />
  `;
}

const root = document.getElementById("root");
// What the server drew is moved, not drawn again: the brand into the header, the debate to where the page can show it meanwhile.
const brand = [...root.querySelector(".brand").childNodes].map((node) => node.cloneNode(true));
const served = root.querySelector("[data-debate]");
root.replaceChildren();
render(html`<${App} brand=${brand} />`, root);
