// Logging in and out, sessions, and keys for programs.
import { html, useState } from "../dom.js";
import { call, config, enter, get, post, session } from "../api.js";
import { Fault, Icon, copy, usePolled, when } from "../ui.js";

export function Account({ go }) {
  if (!session.value) return html`<${Enter} go=${go} />`;
  return html`<${Mine} />`;
}

function Enter({ go }) {
  const [making, setMaking] = useState(false);
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    try {
      const { user } = await post(making ? "/api/auth/register" : "/api/auth/login", { email, password, cookie: true });
      enter(user);
      go("/");
    } catch ({ message, retryAfter }) {
      setProblem({ message, retryAfter });
      setBusy(false);
    }
  };
  return html`<div class="narrow slim">
    <h1>${making ? "Make an account" : "Log in"}</h1>
    <form class="card stack" onSubmit=${submit}>
      <label>E-mail<input type="email" name="email" autocomplete="username" required value=${email} onInput=${(e) => setEmail(e.target.value)} /></label>
      <label>Password<input type="password" name="password" autocomplete=${making ? "new-password" : "current-password"} required minlength=${making ? 8 : undefined}
        value=${password} onInput=${(e) => setPassword(e.target.value)} /></label>
      <button class="primary" disabled=${busy}>${making ? "Make it" : "Log in"}</button>
      <${Fault} problem=${problem} />
    </form>
    ${config.registration !== "closed" && html`<p><button class="quiet" onClick=${() => setMaking(!making)}>${making ? "I have an account" : "I have no account yet"}</button></p>`}
  </div>`;
}

// A browser and its system in two words; another program by its own name.
function program(agent) {
  const browser = /(Edg|OPR|Firefox|Chrome|Safari)\w*\/\d+/.exec(agent)?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS|Linux)/.exec(agent)?.[1];
  const names = { Edg: "Edge", OPR: "Opera" };
  return browser ? [names[browser] || browser, system].filter(Boolean).join(" on ") : agent.slice(0, 40) || "unknown program";
}

function Made({ text }) {
  const [copied, setCopied] = useState(false);
  return html`<div class="notice good" role="status"><span>This key is shown only now: <code>${text}</code></span>
    <button onClick=${async () => setCopied(await copy(text))}>${copied ? "Copied" : "Copy"}</button></div>`;
}

function Mine() {
  const [stamp, again] = useState(0);
  const [made, setMade] = useState(null);
  const [problem, setProblem] = useState(null);
  const load = async () => {
    const [me, sessions, keys] = await Promise.all([get("/api/auth/me"), get("/api/auth/sessions"), get("/api/auth/api-keys")]);
    return { me: me.user, sessions: sessions.sessions, keys: keys.keys };
  };
  const { value, problem: failed } = usePolled(load, 0, [stamp]);
  const act = async (work) => {
    try {
      await work();
      setProblem(null);
      again(stamp + 1);
    } catch (error) {
      setProblem(error);
    }
  };
  const leave = async () => {
    await post("/api/auth/logout").catch(() => null); // gone is gone, whether or not the server heard it
    enter(null);
  };
  const name = (event) => {
    event.preventDefault();
    const label = new FormData(event.target).get("name").trim();
    act(async () => setMade(await post("/api/auth/api-keys", { name: label || "key" })));
    event.target.reset();
  };
  return html`<div class="narrow">
    <h1>Account</h1>
    <${Fault} problem=${problem || failed} />
    ${value && html`
      <div class="ends"><p>${value.me.email} <span class="badge">${value.me.role}</span></p><button onClick=${leave}>Log out</button></div>
      <section class="card stack" aria-labelledby="keys"><h2 id="keys">Keys for programs</h2>
        <p class="muted">A program sends it as <code>Authorization: Bearer KEY</code> and acts as you.</p>
        ${made && html`<${Made} text=${made.api_key} />`}
        ${!value.keys.length && html`<p class="muted">There is none yet.</p>`}
        <ul class="plain">${value.keys.map((key) => html`<li key=${key.id} class="ends"><span><strong>${key.name}</strong> <code>${key.prefix}…</code> <span class="muted">${key.scopes.join(", ")} · ${key.last_used_at ? `used ${when(key.last_used_at)}` : "never used"}</span></span>
          <button class="quiet" aria-label=${`Delete the key ${key.name}`} onClick=${() => act(() => call("DELETE", `/api/auth/api-keys/${key.id}`))}><${Icon} name="x" />Delete</button></li>`)}</ul>
        <form class="send" onSubmit=${name}><label class="sr" for="key">Name of a new key</label><input id="key" name="name" placeholder="Name of a new key" maxlength="200" /><button>Make a key</button></form>
      </section>
      <section class="card stack" aria-labelledby="sessions"><h2 id="sessions">Where you are logged in</h2>
        <ul class="plain">${value.sessions.map((each) => html`<li key=${each.id} class="ends"><span title=${each.user_agent}>${program(each.user_agent)} <span class="muted">${each.ip_address} · ${when(each.last_used_at)}</span> ${each.current && html`<span class="badge o-consensus">here</span>`}</span>
          ${!each.current && html`<button class="quiet" onClick=${() => act(() => call("DELETE", `/api/auth/sessions/${each.id}`))}>End it</button>`}</li>`)}</ul>
      </section>`}
  </div>`;
}
