// Texts of models. All of them are hostile: markdown in, a clean fragment out, nothing else reaches the document.
import { marked } from "./vendor/marked.js";
import "./vendor/purify.js";

const TAGS = "a blockquote br code del div em hr li ol p pre strong table tbody td th thead tr ul".split(" ");
const ATTRIBUTES = ["href", "class", "start", "tabindex"];
const CLASSES = new Set(["mh", "scroll"]);
const BLOCKS = new Set(["P", "LI", "BLOCKQUOTE", "TD", "TH"]);
const RIGHT_TO_LEFT = /^[^\p{L}]*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const SCHEMES = /^(?:https?|mailto):/i;
const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

marked.use({
  gfm: true,
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ text, href }) => escape(text || href),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    code: ({ text }) => `<pre tabindex="0"><code>${escape(text)}</code></pre>\n`,
    heading({ tokens }) {
      return `<p class="mh"><strong>${this.parser.parseInline(tokens)}</strong></p>\n`;
    },
  },
});

const purify = globalThis.DOMPurify;
purify.addHook("afterSanitizeAttributes", (node) => {
  if (node.hasAttribute("class") && !CLASSES.has(node.className)) node.removeAttribute("class");
  if (BLOCKS.has(node.tagName)) node.setAttribute("dir", "auto");
  if (node.tagName !== "A") return;
  const href = node.getAttribute("href") || "";
  const url = SCHEMES.test(href) && URL.canParse(href) ? new URL(href) : null;
  if (!url) {
    node.removeAttribute("href");
    return;
  }
  node.setAttribute("rel", "noopener nofollow");
  node.setAttribute("target", "_blank");
  if (url.host) node.setAttribute("data-host", url.host);
});

// Markdown as a document fragment; `seats` are names whose @mentions become chips.
export function fragment(markdown, seats = []) {
  const made = purify.sanitize(marked.parse(markdown, { async: false }), {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOW_DATA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
    RETURN_TRUSTED_TYPE: true,
  });
  for (const table of made.querySelectorAll("table")) {
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.tabIndex = 0;
    if (RIGHT_TO_LEFT.test(table.textContent)) scroll.dir = "rtl"; // its first letter says which column comes first
    table.replaceWith(scroll);
    scroll.append(table);
  }
  if (seats.length) mention(made, seats);
  return made;
}

function mention(root, seats) {
  const found = new RegExp(`@(${[...seats].sort((a, b) => b.length - a.length).map(RegExp.escape ?? quote).join("|")})(?![\\w-])`, "g");
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) if (walker.currentNode.data.includes("@")) texts.push(walker.currentNode);
  for (const text of texts) {
    const pieces = text.data.split(found);
    if (pieces.length === 1) continue;
    text.replaceWith(...pieces.map((piece, place) => (place % 2 ? chip(piece, seats) : piece)));
  }
}

function quote(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

function chip(name, seats) {
  const made = document.createElement("span");
  made.className = `chip tint s${seats.indexOf(name) % 8}`;
  made.textContent = name;
  return made;
}

const PARSE_CHARS_MAX = 1200;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;

// A text that is still being written. Finished blocks are parsed once and left alone; only the tail is rendered again,
// and a tail that grows long is shown as it comes until its end. So a flush costs the same late as early.
export class Stream {
  constructor(root, seats) {
    this.root = root;
    this.seats = seats;
    this.tail = ""; // what is not finished
    this.fresh = ""; // what came since the last flush
    this.fence = null; // the open code block, as a text node to append to
    this.raw = null; // a long paragraph, the same
    this.live = document.createElement("div");
    root.append(this.live);
  }

  add(text) {
    this.fresh += text;
  }

  // Render what came; returns whether there was anything.
  flush() {
    if (!this.fresh) return false;
    this.tail += this.fresh;
    const fresh = this.fresh;
    this.fresh = "";
    const cut = this.fence ? this.closing() : this.ending();
    if (cut > 0) {
      this.settle(this.tail.slice(0, cut));
      this.tail = this.tail.slice(cut);
      this.show();
    } else {
      this.grow(fresh);
    }
    return true;
  }

  // Where the finished part of the tail ends: the last blank line outside of a code block, or where a code block begins.
  ending() {
    const open = this.tail.search(/(^|\n) {0,3}(```|~~~)/);
    if (open > 0) return open + 1;
    if (open === 0 && FENCE.test(this.tail)) return 0;
    const blank = this.tail.lastIndexOf("\n\n");
    return blank < 0 ? 0 : blank + 2;
  }

  // Where an open code block ends. Looks only at what is new, and a little before it.
  closing() {
    const mark = this.fenceMark;
    const from = Math.max(mark.length, this.looked - mark.length - 4);
    this.looked = this.tail.length;
    const at = this.tail.indexOf(`\n${mark}`, from);
    if (at < 0) return 0;
    const end = this.tail.indexOf("\n", at + 1);
    return end < 0 ? 0 : end + 1;
  }

  settle(markdown) {
    this.live.remove();
    this.fence = this.raw = null;
    this.root.append(fragment(markdown, this.seats));
    this.live = document.createElement("div");
    this.root.append(this.live);
  }

  grow(fresh) {
    const node = this.fence || this.raw;
    if (node) node.appendData(fresh);
    else this.show();
  }

  show() {
    const fence = FENCE.exec(this.tail);
    if (fence) {
      this.fenceMark = fence[1];
      this.looked = 0;
      const line = this.tail.indexOf("\n");
      if (line < 0) return this.live.replaceChildren();
      this.fence = document.createTextNode(this.tail.slice(line + 1));
      const pre = document.createElement("pre");
      pre.append(document.createElement("code"));
      pre.firstChild.append(this.fence);
      return this.live.replaceChildren(pre);
    }
    if (this.tail.length > PARSE_CHARS_MAX) {
      this.raw = document.createTextNode(this.tail);
      const block = document.createElement("p");
      block.dir = "auto";
      block.append(this.raw);
      return this.live.replaceChildren(block);
    }
    return this.live.replaceChildren(fragment(this.tail, this.seats));
  }
}
