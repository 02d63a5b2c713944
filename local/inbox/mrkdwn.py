"""Slack's mrkdwn: what it links, whom it mentions, and how it looks, as HTML.

Format: https://docs.slack.dev/messaging/formatting-message-text. In doubt a mention or a link is shown rather than not:
the page is there so that one smuggled in by log text is seen.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import re2

from local.inbox.emoji import EMOJI

CONTROL = re2.compile(r"<([^<>\n]+)>")
# What Slack links and mentions by itself where a text is not `verbatim`.
BARE = re2.compile(r"https?://[^\s<>|\x60]+|\B@(?:here|channel|everyone)\b")
CODE = re2.compile(r"(?s)```(.+?)```|\x60([^\x60\n]+)\x60")
EMOJI_CODE = re2.compile(r":([a-z0-9_+-]+):")
STYLES = [
    (re2.compile(rf"(^|[\s(\[{{_*~\"'.,:;-])\{mark}([^\s{mark}]|[^\s{mark}][^{mark}\n]*[^\s{mark}])\{mark}"), tag)
    for mark, tag in (("*", "b"), ("_", "i"), ("~", "s"))
]
SLOT = re2.compile("\ue000([0-9]+)\ue001")
SLOT_MARKS = str.maketrans({"\ue000": "\ufffd", "\ue001": "\ufffd"})
LINK_SCHEMES = ("http://", "https://", "mailto:")


@dataclass(frozen=True)
class Link:
    """A link and what a reader sees of it."""

    url: str
    label: str


@dataclass(frozen=True)
class Mention:
    """Someone, or everyone, who would be notified; `label` is what a reader sees."""

    target: str
    label: str


@dataclass
class _Slots:
    """Finished HTML, kept out of the text while that is formatted further."""

    finished: list[str] = field(default_factory=list)

    def put(self, fragment: str) -> str:
        self.finished.append(fragment)
        return f"\ue000{len(self.finished) - 1}\ue001"

    def fill(self, text: str) -> str:
        return str(SLOT.sub(lambda match: self.finished[int(match[1])], text))


def references(text: str, *, verbatim: bool = False) -> list[Link | Mention]:
    """Return the links and mentions of a text, in order of `<…>` first, then bare ones."""
    found: list[Link | Mention] = []

    def note(match: Any) -> str:
        reference = read_control(match[1])
        if reference:
            found.append(reference)
        return " "

    rest = CONTROL.sub(note, text)
    bare = [] if verbatim else [read_bare(match[0]) for match in BARE.finditer(rest)]
    return found + bare


def read_control(body: str) -> Link | Mention | None:
    """Return what `<body>` stands for, or None: then it is shown as it is."""
    target, _, label = body.partition("|")
    if target.startswith("@"):
        return Mention(unescape(target), unescape(label) or unescape(target))
    if target.startswith("!"):
        name = target[1:].split("^")[0]
        return None if name == "date" else Mention(unescape(target), f"@{(unescape(label) or name).lstrip('@')}")
    if target.startswith("#"):
        return Link(unescape(target), f"#{(unescape(label) or target[1:]).lstrip('#')}")
    if target.startswith(LINK_SCHEMES):
        return Link(unescape(target), unescape(label) or unescape(target))
    return None


def read_bare(found: str) -> Link | Mention:
    """Return what a bare `https://…` or `@here` stands for."""
    if found.startswith("@"):
        return Mention(found, found)
    return Link(unescape(found), unescape(found))


def unescape(text: str) -> str:
    """Undo Slack's three entities; it knows no others."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def render(text: str, *, verbatim: bool = False) -> str:
    """Return mrkdwn as safe HTML."""
    slots = _Slots()
    held = CONTROL.sub(_into_slot(slots), text.translate(SLOT_MARKS))
    held = CODE.sub(lambda match: slots.put(_code(match, slots)), held)
    if not verbatim:
        held = BARE.sub(lambda match: slots.put(_reference(read_bare(match[0]))), held)
    lines = [_line(line) for line in held.split("\n")]
    return slots.fill(slots.fill(_join(lines)))


def render_plain(text: str, *, emoji: bool = True) -> str:
    """Return plain text as safe HTML: nothing of it is a link or a mention."""
    escaped = html.escape(text)
    return (_emoji(escaped) if emoji else escaped).replace("\n", "<br>")


def _into_slot(slots: _Slots) -> Callable[[Any], str]:
    def replace(match: Any) -> str:
        reference = read_control(match[1])
        return slots.put(_reference(reference)) if reference else str(match[0])

    return replace


def _reference(reference: Link | Mention) -> str:
    label = html.escape(reference.label)
    if isinstance(reference, Mention):
        return f'<span class="mention" title="{html.escape(reference.target)}">{label}</span>'
    if not reference.url.startswith(LINK_SCHEMES):
        return f'<span class="mention">{label}</span>'
    return link(reference.url, label)


def link(url: str, label: str, style: str = "link") -> str:
    """Return a link to `url`; `label` is HTML."""
    href = html.escape(url)
    return f'<a class="{style}" href="{href}" title="{href}" target="_blank" rel="noopener noreferrer">{label}</a>'


def _code(match: Any, slots: _Slots) -> str:
    block, inline = match[1], match[2]
    text = html.escape(unescape(block.strip("\n") if block is not None else inline))
    return slots.fill(f"<pre>{text}</pre>" if block is not None else f"<code>{text}</code>")


def _line(line: str) -> str:
    quoted = line.startswith(("&gt;", ">"))
    text = html.escape(unescape(line.removeprefix("&gt;").removeprefix(">") if quoted else line))
    for pattern, tag in STYLES:
        text = pattern.sub(rf"\1<{tag}>\2</{tag}>", text)
    text = _emoji(text)
    return f"<blockquote>{text}</blockquote>" if quoted else text


def _join(lines: list[str]) -> str:
    return "<br>".join(lines).replace("</blockquote><br>", "</blockquote>").replace("<br><blockquote>", "<blockquote>")


def _emoji(text: str) -> str:
    return str(EMOJI_CODE.sub(lambda match: EMOJI.get(match[1], match[0]), text))
