"""Texts of logs, made fit to be shown: on a terminal, in a log of a pod, on a page."""

import re2

from udfs.redact import Redactor

#: So much of a text is enough to know it by.
MAX_SHOWN = 160
#: What is longer is not searched any further than this for secrets: it is cut.
_MAX_SEARCHED = 4 * MAX_SHOWN

#: What moves a cursor, forges a line or turns the direction of writing.
_CONTROL = re2.compile(r"[\x00-\x1f\x7f-\x{9f}\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{2069}\x{feff}]")


def shown(text: str, redactor: Redactor) -> str:
    """Return a text of a log as one bounded line without control characters and without secrets."""
    plain = one_line(text[:_MAX_SEARCHED])
    return cut(redactor.redact(plain))


def one_line(text: str) -> str:
    """Return a text with a space for each control character."""
    return str(_CONTROL.sub(" ", text))


def cut(text: str) -> str:
    """Return a bounded text, that says whether it goes on."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
