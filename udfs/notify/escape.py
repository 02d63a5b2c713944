"""Text of strangers, made harmless for Slack and cut to its limits.

Log text and a model's words may try to mention people, to forge links, to break out of a code block or to turn the
reading direction round. Slack counts characters as JavaScript does, in UTF-16 units, and so does `size`.
"""

import re2

#: Characters of a text that are looked at; what is behind them could not be shown anyway.
MAX_INPUT = 8_000
ELLIPSIS = "…"

_WIDE_AT = "\uff20"  # looks like the sign, mentions nobody
_MENTIONS = re2.compile(r"(?i)@(here|channel|everyone|group)")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BEYOND_BMP = 0x10000


def _hostile_characters() -> dict[int, str | None]:
    table: dict[int, str | None] = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])  # control characters
    table.update(dict.fromkeys([*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)]))
    table.update(dict.fromkeys([0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180E, 0x3164, 0xFEFF, 0xFFA0]))
    table.update(dict.fromkeys([*range(0xFFF0, 0xFFFC), *range(0xE0000, 0xE1000)]))  # annotations, tags
    table.update(dict.fromkeys(range(0xD800, 0xE000), "\ufffd"))  # lone surrogates are not valid JSON text
    table.update({ord("\n"): "\n", ord("\t"): "    ", 0x85: "\n", 0x2028: "\n", 0x2029: "\n"})
    table[ord("`")] = "'"
    return table


_HOSTILE = _hostile_characters()


def size(text: str) -> int:
    """Return the length of a text as Slack counts it."""
    return sum(map(_units, text))


def clean(text: str) -> str:
    """Take out what hides, redirects or mentions: for `plain_text`, which knows no markup.

    Control, zero-width and direction characters go, backticks become apostrophes, `@here` and its like lose their
    sign. Only the first `MAX_INPUT` characters are read.
    """
    visible = text[:MAX_INPUT].replace("\r\n", "\n").translate(_HOSTILE)
    # A function: RE2's binding garbles a replacement text that is not ASCII.
    mentions_nobody: str = _MENTIONS.sub(lambda match: _WIDE_AT + match[1], visible)
    return mentions_nobody


def one_line(text: str) -> str:
    """Return a cleaned text with every run of white space as one space."""
    return " ".join(clean(text).split())


def defang(text: str) -> str:
    """Return a cleaned text in which no URL is one: for where Slack would make links of them."""
    return clean(text).replace("://", "[:]//")


def cut(text: str, limit: int) -> str:
    """Return a text of at most `limit` units, with an ellipsis where something is missing."""
    if size(text) <= limit:
        return text
    return _head(text, limit - 1) + ELLIPSIS


def markup(text: str, limit: int) -> str:
    """Return a cleaned text, escaped for `mrkdwn`: at most `limit` units with its escapes, none of them cut in two."""
    escaped = [_ENTITIES.get(character, character) for character in text]
    if sum(map(size, escaped)) <= limit:
        return "".join(escaped)
    left = limit - 1
    kept = []
    for part in escaped:
        left -= size(part)
        if left < 0:
            break
        kept.append(part)
    return "".join(kept) + ELLIPSIS


def _head(text: str, limit: int) -> str:
    for index, character in enumerate(text):
        limit -= _units(character)
        if limit < 0:
            return text[:index]
    return text


def _units(character: str) -> int:
    return 2 if ord(character) >= _BEYOND_BMP else 1
