"""The test server of models with two more: `hostile`, whose every text is an attack on the page, and `tale`, which tells long."""

import asyncio
import json
import re
from collections import Counter

import uvloop

import models_server
from models_server import STREAMS, Asked, pieces_for, whole

EVIL = "https://evil.example"
RUN = "window.hacked=1;alert(1)"
# Ways by which text has been made to run, load or leave. Each is told with a mark, to see that it was shown.
PAYLOADS: tuple[str, ...] = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror='{RUN}'>",
    f"<svg onload='{RUN}'>",
    f"<svg><script>{RUN}</script></svg>",
    f"<body onload='{RUN}'>",
    f"<iframe src='javascript:{RUN}'></iframe>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'></iframe>",
    f"<object data='javascript:{RUN}'></object>",
    f"<embed src='javascript:{RUN}'>",
    f"<a href='javascript:{RUN}'>press</a>",
    f"[press](javascript:{RUN})",
    f"[press](JaVaScRiPt:{RUN})",
    f"[press](java&#115;cript:{RUN})",
    f"[press](javascript&colon;{RUN})",
    f"[press](&#x6A;avascript:{RUN})",
    f"[press](\x01javascript:{RUN})",
    f"[press](data:text/html,<script>{RUN}</script>)",
    "[press](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    f"[press](vbscript:{RUN})",
    f"<javascript:{RUN}>",
    f"![seen]({EVIL}/pixel.png)",
    f"![seen][p]\n\n[p]: {EVIL}/pixel2.png",
    f"<img src='{EVIL}/pixel3.png'>",
    f"<img srcset='{EVIL}/pixel4.png 2x'>",
    f"<picture><source srcset='{EVIL}/p.png'><img></picture>",
    f"<video src='{EVIL}/v.mp4' autoplay></video>",
    f"<audio src='{EVIL}/a.mp3' autoplay></audio>",
    f"<link rel=stylesheet href='{EVIL}/s.css'>",
    f"<style>@import '{EVIL}/i.css';</style>",
    f"<style>body{{background:url({EVIL}/b.png)}}</style>",
    f"<p style='background:url({EVIL}/c.png)'>styled</p>",
    f"<base href='{EVIL}/'>",
    f"<meta http-equiv=refresh content='0;url={EVIL}/'>",
    f"<form action='{EVIL}/f'><input type=submit autofocus onfocus='{RUN}'></form>",
    f"<input autofocus onfocus='{RUN}'>",
    f"<details open ontoggle='{RUN}'><summary>s</summary></details>",
    f"<marquee onstart='{RUN}'>m</marquee>",
    f"<select autofocus onfocus='{RUN}'></select>",
    f"<textarea autofocus onfocus='{RUN}'></textarea>",
    f"<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror={RUN}&gt;'>",
    f"<math><mi//xlink:href='data:x,<script>{RUN}</script>'>",
    f"<svg><animate xlink:href=#x attributeName=href values=javascript:{RUN} /><a id=x><text>t</text></a></svg>",
    f"<svg><use href='{EVIL}/u.svg#x'></use></svg>",
    f"<svg><image href='{EVIL}/im.png'></image></svg>",
    f"<svg><foreignObject><iframe src='javascript:{RUN}'></iframe></foreignObject></svg>",
    f"<noscript><p title='</noscript><img src=x onerror={RUN}>'>",
    f"<template><script>{RUN}</script></template>",
    f"<xmp><img src=x onerror='{RUN}'></xmp>",
    f"<!--><img src=x onerror='{RUN}'>-->",
    f"<![CDATA[><img src=x onerror='{RUN}'>]]>",
    f"<scr<script>ipt>{RUN}</scr</script>ipt>",
    f"\"><img src=x onerror='{RUN}'>",
    f"'-{RUN}-'",
    f"`<img src=x onerror='{RUN}'>`",
    f"```html\n<img src=x onerror='{RUN}'>\n```",
    f"[title](https://a.example \"' onmouseover='{RUN}\")",
    f'[x](https://a.example/"onmouseover="{RUN})',
    f"| <img src=x onerror='{RUN}'> | b |\n|---|---|\n| <script>{RUN}</script> | [j](javascript:{RUN}) |",
    f"{{{{constructor.constructor('{RUN}')()}}}}",
    f"<a id=config>clobber</a><form id=root><input name=attributes></form><img name=cookie onerror='{RUN}' src=x>",
)
TOLD: Counter[str] = Counter()
PIECES_PER_S = 150
PARAGRAPH_WORDS = 90


def marked(number: int) -> str:
    """A payload, and the word by which it is found on the page."""
    return f"{PAYLOADS[number % len(PAYLOADS)]}\n\nmark-{number % len(PAYLOADS):02d}."


async def hostile(asked: Asked) -> None:
    """Attack with the next payload, in whichever form is asked for; the number after the dot says where to begin."""
    first = int(asked.model.partition(".")[2] or 0)
    text = marked(first + TOLD[asked.model])
    TOLD[asked.model] += 1
    said = json.dumps(asked.body)
    labels = re.search(r"Labels you may choose: ([A-Z]+)", said)
    if labels and r"\"choice\"" in said:
        text = json.dumps({"choice": labels[1], "confidence": 0.5, "reason": text})
    await whole(asked, [text[at : at + 9] for at in range(0, len(text), 9)], pace_s=0.04)


def tale(length: int) -> list[str]:
    """A long text in so many pieces of a word: paragraphs, a list, a table and code, and one paragraph that does not end."""
    words: list[str] = []
    for number in range(length // 2):
        words.append(f"word{number} ")
        if number % PARAGRAPH_WORDS == PARAGRAPH_WORDS - 1:
            words.append("\n\n")
    words += ["\n\n- **point** ", "one\n", "- point ", "two\n\n", "| a | b |\n", "|---|---|\n", "| 1 | 2 |\n\n", "```python\n"]
    words += [f"x{number} = {number}\n" for number in range(length // 6)]
    words += ["```\n\n"]
    return words + [f"last{number} " for number in range(length - len(words))]


async def tell(asked: Asked) -> None:
    """Tell a tale at the pace of a fast model, as long as the number after the dot says; vote and criticise at once."""
    said = json.dumps(asked.body)
    pieces = pieces_for(asked.body)
    if pieces is not models_server.PIECES or not asked.stream or "json_schema" in said:
        await whole(asked, pieces)
        return
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asked.open()
    for number, event in enumerate(STREAMS[asked.wire](asked.model, tale(int(asked.model.partition(".")[2])))):
        await asked.push(event)
        await asyncio.sleep(max(0.0, began + number / PIECES_PER_S - loop.time()))
    await asked.shut()


if __name__ == "__main__":
    models_server.FAULTS |= {"hostile": hostile, "tale": tell}
    uvloop.run(models_server.main(0.0))
