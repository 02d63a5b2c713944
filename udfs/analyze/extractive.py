"""The analyst without a language model: cause and fix of the best document, as its authors wrote them."""

from collections.abc import Sequence

from schemas.incident import Incident
from udfs.analyze.answer import Answer
from udfs.analyze.score import Match

NAME = "extractive"


def extract(matches: Sequence[Match]) -> Answer:
    """Return cause and fix of the best match; the others stand by as further reading."""
    best = matches[0].document
    return Answer(best.cause, best.fix, tuple(match.document.id for match in matches))


class ExtractiveAnalyst:
    """Needs no key, no network and no trust."""

    name = NAME

    async def answer(self, incident: Incident, matches: Sequence[Match]) -> Answer:
        """Answer from the best match alone."""
        del incident
        return extract(matches)

    async def aclose(self) -> None:
        """There is nothing to free."""
