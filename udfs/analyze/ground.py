"""Whether an answer stands on the documents that were found. Checked by code: a model's words are data until then."""

from collections.abc import Sequence
from typing import NamedTuple

import re2

from udfs.analyze.answer import Answer
from udfs.analyze.score import Match
from udfs.analyze.text import printable

MAX_CAUSE = 800
MAX_ACTION = 1_500

#: Whatever a chat might turn into a link: a scheme, www, a host with a path, mail addresses, and link mark-up.
_LINK = re2.compile(
    r"(?i)\b[a-z][a-z0-9+.-]{1,20}:/{1,3}[^\s<>|\"'`)\]]+"
    r"|\bwww\.[^\s<>|\"'`)\]]+"
    r"|\b(?:mailto|javascript|data|tel):[^\s<>|\"'`)\]]+"
    r"|\b(?:[a-z0-9-]+\.)+[a-z]{2,24}(?::\d+)?/[^\s<>|\"'`)\]]*"
    r"|[\w.+-]+@[\w-]+\.[\w.-]+"
    r"|\]\([^)]*\)|<[^<>\s]*\|[^<>]*>"
)
_TRAILING = ".,;:!?)…"


class GroundingError(Exception):
    """The answer does not stand on the documents. The message repeats nothing of it."""


class Grounded(NamedTuple):
    """An answer that passed, made safe to show, with the matches that it names by falling score."""

    cause: str
    action: str
    evidence: tuple[Match, ...]


def ground(answer: Answer, matches: Sequence[Match]) -> Grounded:
    """Check an answer against the matches that the analyst was given.

    Raises:
        GroundingError: it names no document or one that was not given, has no cause or action, or holds a link that
            none of the documents it names has.
    """
    cause, action = printable(answer.cause, MAX_CAUSE), printable(answer.action, MAX_ACTION)
    if not cause or not action:
        raise GroundingError("answer without a cause or an action")
    evidence = _evidence(answer.evidence, matches)
    known = "\n".join(_full_text(match) for match in evidence)
    # What is shown is what is checked: a link may come about only when invisible characters have gone.
    if any(_is_foreign(link, known) for text in (cause, action) for link in _links(text)):
        raise GroundingError("answer with a link that is in no document")
    return Grounded(cause, action, evidence)


def _evidence(ids: Sequence[str], matches: Sequence[Match]) -> tuple[Match, ...]:
    named = set(ids)
    if not named:
        raise GroundingError("answer without evidence")
    if not named <= {match.document.id for match in matches}:
        raise GroundingError("answer names a document that was not found")
    return tuple(match for match in matches if match.document.id in named)


def _links(text: str) -> list[str]:
    found: list[str] = _LINK.findall(text)
    return found


def _is_foreign(link: str, known: str) -> bool:
    return link.rstrip(_TRAILING) not in known


def _full_text(match: Match) -> str:
    document = match.document
    return f"{document.url}\n{document.told}\n{document.cause}\n{document.fix}"
