"""The inbox's web page. Everything from outside is escaped; the content security policy is the second lock."""

import html
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from local.inbox.mrkdwn import LINK_SCHEMES, link, render, render_plain

ASSETS = {name: Path(__file__).with_name(name).read_bytes() for name in ("inbox.css", "inbox.js")}
SECURITY_HEADERS = {
    # No image is loaded: one in a message could tell a stranger that it was read.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="stylesheet" href="/inbox.css">
<script src="/inbox.js" defer></script>
</head>
<body>
<nav aria-label="Channels">
<h1>CALI local</h1>
<h2>Channels</h2>
<ul id="channels">{channels}</ul>
<p class="note">A Slack of your own on this machine. Nothing here reaches anyone.</p>
</nav>
<main>
<header><h2>{heading}</h2><p id="count">{count}</p></header>
<ol id="messages">{messages}</ol>
</main>
</body>
</html>
"""


def page(
    messages: Sequence[Mapping[str, Any]], channels: Iterable[str], chosen: str | None, zone: tzinfo | None
) -> str:
    """Return the whole page: messages as the store keeps them, of the channel `chosen` or of all.

    Times are shown in `zone`, or in that of the machine.
    """
    shown = [message for message in messages if chosen in {None, message["channel"]}]
    counts = dict.fromkeys(channels, 0)
    for message in messages:
        counts[message["channel"]] = counts.get(message["channel"], 0) + 1
    return PAGE.format(
        title=f"{html.escape(_heading(chosen))} | CALI local",
        channels=_channels(counts, chosen),
        heading=html.escape(_heading(chosen)),
        count=f"{len(shown)} message{'' if len(shown) == 1 else 's'}",
        messages="".join(_message(message, zone) for message in shown) or '<li class="empty">No messages yet.</li>',
    )


def _heading(chosen: str | None) -> str:
    return "All channels" if chosen is None else f"# {chosen}"


def _channels(counts: Mapping[str, int], chosen: str | None) -> str:
    rows = [("/", "All channels", sum(counts.values()), chosen is None)]
    rows += [(f"/?channel={name}", f"# {name}", count, name == chosen) for name, count in sorted(counts.items())]
    return "".join(
        f'<li><a href="{html.escape(address)}"{" aria-current=page" if current else ""}>'
        f"<span>{html.escape(label)}</span><span class=badge>{count}</span></a></li>"
        for address, label, count, current in rows
    )


def _message(message: Mapping[str, Any], zone: tzinfo | None) -> str:
    at = datetime.fromtimestamp(message["received_at_ms"] / 1000, zone)
    return (
        f'<li class="message" id="message-{message["id"]}">'
        '<div class="avatar" aria-hidden="true">🚨</div><div class="body">'
        '<div class="from"><strong>CALI</strong> <span class="app">APP</span> '
        f'<time datetime="{at.isoformat()}">{at:%H:%M:%S}</time> '
        f'<span class="channel">#{html.escape(message["channel"])}</span></div>'
        f"{_content(message['payload'])}</div></li>"
    )


def _content(payload: Mapping[str, Any]) -> str:
    """Blocks where there are any: then Slack shows the text in notifications only."""
    if blocks := payload.get("blocks"):
        return "".join(_block(block) for block in blocks)
    return f'<div class="section"><div>{render(payload["text"])}</div></div>'


def _block(block: Mapping[str, Any]) -> str:
    match block["type"]:
        case "header":
            return f"<h3>{_text(block['text'])}</h3>"
        case "section":
            return _section(block)
        case "context":
            return f'<div class="context">{"".join(_context_element(each) for each in block["elements"])}</div>'
        case "actions":
            return f'<div class="actions">{"".join(_button(each) for each in block["elements"])}</div>'
        case "divider":
            return "<hr>"
        case _:
            return _image(block)


def _section(block: Mapping[str, Any]) -> str:
    text = f'<div class="text">{_text(block["text"])}</div>' if "text" in block else ""
    fields = "".join(f"<div>{_text(each)}</div>" for each in block.get("fields", []))
    grid = f'<div class="fields">{fields}</div>' if fields else ""
    accessory = block.get("accessory")
    beside = (_button(accessory) if accessory["type"] == "button" else _image(accessory)) if accessory else ""
    return f'<div class="section"><div>{text}{grid}</div>{beside}</div>'


def _context_element(element: Mapping[str, Any]) -> str:
    return _image(element) if element["type"] == "image" else f"<span>{_text(element)}</span>"


def _button(element: Mapping[str, Any]) -> str:
    label, style = _text(element["text"]), f"button {element.get('style', '')}".strip()
    if element.get("url", "").startswith(LINK_SCHEMES):
        return link(element["url"], label, style)
    return f'<span class="{style}">{label}</span>'


def _image(element: Mapping[str, Any]) -> str:
    return (
        f'<span class="image" title="{html.escape(element["image_url"])}">🖼 {html.escape(element["alt_text"])}</span>'
    )


def _text(text: Mapping[str, Any]) -> str:
    if text["type"] == "plain_text":
        return render_plain(text["text"], emoji=text.get("emoji", True))
    return render(text["text"], verbatim=text.get("verbatim", False))
