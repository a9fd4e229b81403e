"""Texts of models as HTML that can do nothing: no scripts, no styles, no pictures, links with their host beside them.

Imports nothing of ours. Only the share page needs what is imported here, so `api` imports this module when one is asked for.
"""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from urllib.parse import urlsplit

import nh3
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

TAGS = set(
    "a blockquote br code del em hr li ol p pre strong table tbody td th thead tr ul span div".split()  # noqa: SIM905 - a list to read
)
ATTRIBUTES = {
    "a": {"href"},
    "pre": {"tabindex"},
    "div": {"class", "tabindex"},
    "span": {"class"},
    "p": {"class", "dir"},
    "ol": {"start"},
    "li": {"dir"},
    "blockquote": {"dir"},
    "td": {"dir"},
    "th": {"dir"},
}
CLASSES = {"span": {"host", *(f"chip tint s{place}" for place in range(8))}, "p": {"mh"}, "div": {"scroll"}}
SCHEMES = {"http", "https", "mailto"}
# Longer texts are cut: a page of a debate must not cost seconds to make.
TEXT_CHARS_MAX = 40_000


def html_of(text: str, names: Sequence[str] = ()) -> Markup:
    """Markdown as safe HTML; an @mention of one of the `names` becomes a chip."""
    cut = text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + " […]"
    rendered: str = _markdown().render(cut, {"names": names})
    clean = nh3.clean(
        rendered,
        tags=TAGS,
        attributes=ATTRIBUTES,
        allowed_classes={},
        url_schemes=SCHEMES,
        link_rel="noopener nofollow",
        attribute_filter=_kept,
    )
    return Markup(clean)  # noqa: S704 - just cleaned


def render(template: str, **values: object) -> str:
    """A template of this package, everything in it escaped but what `html_of` made."""
    return _templates().get_template(template).render(values)


def _kept(tag: str, name: str, value: str) -> str | None:
    if name in {"title", "lang"}:  # let through anywhere, unless told otherwise
        return None
    if name == "class":
        return value if value in CLASSES.get(tag, ()) else None
    return value


@cache
def _templates() -> Environment:
    loaded = Environment(
        loader=PackageLoader("aragora.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    loaded.filters["markdown"] = html_of
    return loaded


@cache
def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    for name in ("paragraph_open", "list_item_open", "blockquote_open", "td_open", "th_open"):
        made.add_render_rule(name, _own_direction)
    # A model's headings are no headings of this page.
    made.add_render_rule("heading_open", lambda *_: '<p class="mh" dir="auto"><strong>')
    made.add_render_rule("heading_close", lambda *_: "</strong></p>\n")
    made.add_render_rule("table_open", lambda *_: '<div class="scroll" tabindex="0"><table>\n')
    made.add_render_rule("table_close", lambda *_: "</table></div>\n")
    made.add_render_rule("fence", _code)
    made.add_render_rule("code_block", _code)
    made.add_render_rule("link_close", _host)
    made.add_render_rule("text", _mentions)
    return made


def _own_direction(self: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
    tokens[idx].attrSet("dir", "auto")
    return self.renderToken(tokens, idx, options, env)


def _code(self: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG001
    return f'<pre tabindex="0"><code>{escape(tokens[idx].content)}</code></pre>\n'


def _mentions(self: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG001
    text, names = escape(tokens[idx].content), [escape(name) for name in env["names"]]
    if "@" not in text or not names:
        return text
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    chip = '<span class="chip tint s{}">{}</span>'
    return re.sub(rf"@({longest_first})(?![\w-])", lambda found: chip.format(names.index(found[1]) % 8, found[1]), text)


def _host(self: RendererHTML, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG001
    opened = next(token for token in reversed(tokens[:idx]) if token.type == "link_open")
    try:
        host = urlsplit(str(opened.attrGet("href") or "")).hostname or ""
    except ValueError:
        host = ""
    return f'</a> <span class="host">({escape(host)})</span>' if host else "</a>"
