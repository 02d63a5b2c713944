"""What an analyst is asked for and gives."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from schemas.incident import Incident
from udfs.analyze.score import Match


class NoAnswer(StrEnum):
    """Why there is no answer, to count by. `SKIPPED` was not asked, `INVALID` is not what was asked for."""

    SKIPPED = "skipped"
    FAILED = "failed"
    REFUSED = "refused"
    INVALID = "invalid"


class AnalystError(Exception):
    """The analyst gave no answer. The message is for people: no log text, no secret."""

    def __init__(self, message: str, outcome: NoAnswer) -> None:
        super().__init__(message)
        self.outcome = outcome


class Answer(NamedTuple):
    """Cause and action in the analyst's words, and the ids of the documents that they rest on. Not checked yet."""

    cause: str
    action: str
    evidence: tuple[str, ...]


class Analyst(Protocol):
    """Says what broke and what to do, from documents that were found."""

    @property
    def name(self) -> str:
        """What people are told who answered."""
        ...

    async def answer(self, incident: Incident, matches: Sequence[Match]) -> Answer:
        """Answer from `matches`, at least one, by falling score.

        Raises:
            AnalystError: there is no answer.
        """
        ...

    async def aclose(self) -> None:
        """Free what the analyst holds."""
        ...
