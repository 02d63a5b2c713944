"""How well retrieval finds what it should, on queries whose right documents are known, and what makes it worse.

    hit@1, hit@3   share of queries with a right document among the first 1, 3
    MRR            mean reciprocal rank of the first right document
    found          share of queries whose first document is right and not below the threshold
    false alarms   share of unrelated queries with a document that is not below the threshold

`judge` compares documents that are to go live with those that are. It refuses on either of two grounds, since neither
sees what the other does: a figure that is worse by more than `TOLERANCE` (everything became a little worse: a hundred
new documents crowd the others out), and a single document that its queries do not lead to any more (one file is lost or
garbled; among fifty documents that moves no figure by a fiftieth).
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

#: Documents that a reader looks at. One that comes later is as good as not found.
FIRST = 3
#: What a figure may lose: new documents shift others a little. Of fewer than fifty queries none may be lost.
TOLERANCE = 0.02
#: hit@3 below which documents are not even a first knowledge base; the sample's is 0.99.
FLOOR = 0.5
_ROUNDING = 1e-9


class LabelError(Exception):
    """The labelled queries cannot be used. The message names the file and line."""


class LabelledQuery(BaseModel):
    """A text as a service logged it, and the ids of the documents that are right; none for an unrelated one.

    `split` is for those who fit to some of the queries and measure with others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    service: str = Field(min_length=1)
    log_content: str = Field(min_length=1)
    expected: frozenset[str]
    split: str = ""


class Ranked(NamedTuple):
    """The documents that were found for a query, with their scores, by falling score."""

    query: LabelledQuery
    found: tuple[tuple[str, float], ...]

    @property
    def rank(self) -> int | None:
        """Place of the first right document, from 1."""
        return next((place for place, (name, _) in enumerate(self.found, 1) if name in self.query.expected), None)

    @property
    def best(self) -> float:
        """Score of the first document."""
        return self.found[0][1] if self.found else 0.0

    @property
    def first(self) -> tuple[str, ...]:
        """The documents that a reader sees."""
        return tuple(name for name, _ in self.found[:FIRST])


class Figures(NamedTuple):
    """What is measured: counts of queries, and shares from 0 to 1."""

    queries: int
    unrelated: int
    hit_at_1: float
    hit_at_3: float
    mrr: float
    found: float
    false_alarms: float
    threshold: float


class Worse(NamedTuple):
    """A query that got worse. `live` and `staged` are places of the right document or, if `what` says so, scores."""

    query: str
    what: str
    live: float | None
    staged: float | None


class Verdict(NamedTuple):
    """What became of retrieval. It passes if there is no reason against it; each reason names what it is about.

    Attributes:
        lost: documents that are live and that queries name, gone from those that are to go live.
        buried: documents that some query still led to, and none does now.
        unknown: names in the queries that no document has, here or there: they count for nothing.
        worse: queries that got worse, whether or not it is reason enough.
    """

    staged: Figures
    live: Figures | None
    reasons: tuple[str, ...]
    lost: tuple[str, ...]
    buried: tuple[str, ...]
    unknown: tuple[str, ...]
    worse: tuple[Worse, ...]


def parse_queries(name: str, lines: Iterable[str]) -> tuple[LabelledQuery, ...]:
    """Read labelled queries from NDJSON; `name` is only for the message.

    Raises:
        LabelError: a line is wrong, an id occurs twice, or no query has a right document.
    """
    found: dict[str, LabelledQuery] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        query = _parse(f"{name}:{number}", line)
        if query.id in found:
            raise LabelError(f"{name}:{number}: id: {query.id!r} is already used")
        found[query.id] = query
    if not any(query.expected for query in found.values()):
        raise LabelError(f"{name}: no query with a document that is expected")
    return tuple(found.values())


def countable(queries: Iterable[LabelledQuery], *shelves: AbstractSet[str]) -> tuple[LabelledQuery, ...]:
    """Return the queries that each of these sets of documents can answer: unrelated ones, and those about one of them.

    A query about a new document must not count where two sets are compared: what the old one cannot find would make
    up for what the new one finds no more.
    """
    return tuple(query for query in queries if not query.expected or all(query.expected & shelf for shelf in shelves))


def figures(ranked: Sequence[Ranked], threshold: float) -> Figures:
    """Compute the figures at a threshold for scores."""
    related = [entry for entry in ranked if entry.query.expected]
    unrelated = [entry for entry in ranked if not entry.query.expected]
    ranks = [entry.rank for entry in related]
    return Figures(
        queries=len(related),
        unrelated=len(unrelated),
        hit_at_1=_mean([rank == 1 for rank in ranks]),
        hit_at_3=_mean([rank is not None and rank <= FIRST for rank in ranks]),
        mrr=_mean([1 / rank if rank else 0.0 for rank in ranks]),
        found=_mean([_is_found(entry, threshold) for entry in related]),
        false_alarms=_mean([entry.best >= threshold for entry in unrelated]),
        threshold=threshold,
    )


def judge(
    queries: Sequence[LabelledQuery],
    staged: Sequence[Ranked],
    live: Sequence[Ranked] | None,
    *,
    documents: AbstractSet[str],
    live_documents: AbstractSet[str],
    threshold: float,
) -> Verdict:
    """Compare what the `countable` queries found among `documents`, which are to go live, with what they found live.

    `live` is None where there is nothing to compare with: no documents, or only such as another release embedded. What
    was deleted on purpose is deleted together with its labels: a document that queries still name is taken for lost.
    """
    named = _named(queries)
    now = figures(staged, threshold)
    before = None if live is None else figures(live, threshold)
    lost = tuple(sorted((named.keys() & live_documents) - documents))
    buried = () if live is None else tuple(sorted((_led_to(live) - _led_to(staged)) & documents))
    of_figures = _too_few(now, live_documents), _below(now, before)
    of_documents = (
        (f"{name} is gone, and queries name it: {', '.join(named[name])}" for name in lost),
        (f"{name} is not among the first {FIRST} any more for any of {', '.join(named[name])}" for name in buried),
    )
    return Verdict(
        staged=now,
        live=before,
        reasons=tuple(chain(*of_figures, *of_documents)),
        lost=lost,
        buried=buried,
        unknown=tuple(sorted(named.keys() - live_documents - documents)),
        worse=() if live is None else tuple(_worse(live, staged, threshold)),
    )


def _parse(place: str, line: str) -> LabelledQuery:
    try:
        return LabelledQuery.model_validate_json(line)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in problem["loc"]) or "line"
        raise LabelError(f"{place}: {field}: {problem['msg']}") from None


def _too_few(staged: Figures, live_documents: AbstractSet[str]) -> Iterable[str]:
    if live_documents and not staged.queries:
        yield "no labelled query is about a document that is both staged and live"


def _below(staged: Figures, live: Figures | None) -> Iterable[str]:
    if live is None:
        if staged.queries and staged.hit_at_3 < FLOOR:
            yield f"hit@3 is {staged.hit_at_3:.3f}, and {FLOOR:g} is the least for a first knowledge base"
        return
    for name, before, now, fall in (
        ("hit@1", live.hit_at_1, staged.hit_at_1, live.hit_at_1 - staged.hit_at_1),
        ("hit@3", live.hit_at_3, staged.hit_at_3, live.hit_at_3 - staged.hit_at_3),
        ("MRR", live.mrr, staged.mrr, live.mrr - staged.mrr),
        ("found", live.found, staged.found, live.found - staged.found),
        ("false alarms", live.false_alarms, staged.false_alarms, staged.false_alarms - live.false_alarms),
    ):
        if fall > TOLERANCE + _ROUNDING:
            yield f"{name}: {before:.3f} live, {now:.3f} staged"


def _named(queries: Iterable[LabelledQuery]) -> dict[str, list[str]]:
    """Return for each document that is expected the ids of its queries."""
    named: dict[str, list[str]] = {}
    for query in queries:
        for document in query.expected:
            named.setdefault(document, []).append(query.id)
    return named


def _led_to(ranked: Iterable[Ranked]) -> AbstractSet[str]:
    """Return the documents that at least one of their own queries leads to."""
    return {name for entry in ranked for name in entry.first if name in entry.query.expected}


def _worse(live: Sequence[Ranked], staged: Sequence[Ranked], threshold: float) -> Iterable[Worse]:
    for before, now in zip(live, staged, strict=True):
        query = now.query
        if not query.expected:
            if before.best < threshold <= now.best:
                yield Worse(query.id, "false alarm", before.best, now.best)
        elif before.rank and (now.rank is None or now.rank > before.rank):
            yield Worse(query.id, "rank", before.rank, now.rank)
        elif _is_found(before, threshold) and not _is_found(now, threshold):
            yield Worse(query.id, "score", before.best, now.best)


def _is_found(entry: Ranked, threshold: float) -> bool:
    return entry.rank == 1 and entry.best >= threshold


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
