"""How well a document matches an incident, as a number that means something: 0.95 is right 95 times of 100.

The vector search finds candidates. Each is then scored again:

- **words**: each word of the query finds its best counterpart among the document's words (the same stem, or the cosine
  of their vectors), weighted by how rare it is among the candidates;
- **cosine** of the nearest passage, as the search gave it;
- **service**: whether the document is about the incident's service.

Measured by `benchmarks/retrieval.py`: the cosine alone finds the right document first for 92 of 100 queries and cannot
be cut off (at 5 % false alarms a fifth of the right ones is lost); with the words 98 of 100. Their weights use the
candidates alone, so that the score of a document does not change when others are added elsewhere.

The sum of the three is then mapped by a logistic curve to the probability that the document is about the same failure,
fitted to the labelled queries (`benchmarks/retrieval.py --fit`). A query of few or vague words is pulled down:
"restart" alone occurs in every document.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from udfs.analyze.embed import Embedder, Matrix
from udfs.analyze.knowledge import Document
from udfs.analyze.text import service_stem, stem, words

WEIGHT_WORDS = 0.5
WEIGHT_COSINE = 0.4
WEIGHT_SERVICE = 0.1
#: Words whose vectors are less alike than this have nothing to do with each other.
COSINE_FLOOR = 0.2
#: Weight of what a query leaves unsaid, in units of a rare word.
UNSAID = 2.0

#: The fit: probability = 1 / (1 + exp(-SLOPE * (raw - MIDPOINT - BEHIND * (best - raw)))).
SLOPE = 21.0
MIDPOINT = 0.39
BEHIND = 0.94
#: No mapping fitted to a few hundred queries can promise more.
MAX_SCORE = 0.99


class Query(NamedTuple):
    """What is looked for: the service and the condensed text of a failure."""

    service: str
    text: str


class Prepared(NamedTuple):
    """A document with the words that are compared. To make one takes 0.5 ms; it may be kept."""

    document: Document
    words: tuple[str, ...]
    stems: frozenset[str]


class Candidate(NamedTuple):
    """A document that the vector search found, with the cosine of its nearest passage."""

    prepared: Prepared
    cosine: float


class Match(NamedTuple):
    """A document and the probability, 0 to 1, that it is about the same failure."""

    document: Document
    score: float


def prepare(document: Document) -> Prepared:
    """Take out of a document what is compared with queries."""
    told = words(document.told)
    return Prepared(document, told, frozenset(map(stem, told)))


def rank(query: Query, query_words: Sequence[str], candidates: Sequence[Candidate], embedder: Embedder) -> list[Match]:
    """Return the candidates by falling score; equal ones by id."""
    raw = raw_scores(query, query_words, candidates, embedder)
    best = max(raw, default=0.0)
    matches = [
        Match(found.prepared.document, probability(score, best)) for found, score in zip(candidates, raw, strict=True)
    ]
    return sorted(matches, key=lambda match: (-match.score, match.document.id))


def probability(raw: float, best: float) -> float:
    """Return the probability that stands for a raw score, `best` being the highest one for the same query.

    A document that lies behind another one is less likely to be right than one with the same score that leads.
    """
    return round(min(MAX_SCORE, 1.0 / (1.0 + math.exp(-SLOPE * (raw - MIDPOINT - BEHIND * (best - raw))))), 3)


def raw_scores(
    query: Query, query_words: Sequence[str], candidates: Sequence[Candidate], embedder: Embedder
) -> list[float]:
    """Return the sum of words, cosine and service for each candidate, 0 to 1."""
    if not query_words or not candidates:
        return [0.0] * len(candidates)
    weights = _rarity(query_words, [found.prepared.stems for found in candidates])
    said = float(weights.sum())
    vectors = embedder.words(query_words)
    scores = []
    for prepared, cosine in candidates:
        alike = _alikeness(query_words, vectors, prepared, embedder)
        covered = float((alike * weights).sum()) / said
        total = WEIGHT_WORDS * covered + WEIGHT_COSINE * max(0.0, cosine)
        total += WEIGHT_SERVICE * _is_about(prepared.document, query.service)
        scores.append(total * said / (said + UNSAID))
    return scores


def _rarity(query_words: Sequence[str], stems: Sequence[frozenset[str]]) -> Matrix:
    """Return the inverse document frequency of each word among the candidates, in BM25's form."""
    frequency = Counter(document_stem for document_stems in stems for document_stem in document_stems)
    counts = np.array([frequency[stem(word)] for word in query_words], dtype=np.float32)
    weights: Matrix = np.log1p((len(stems) - counts + 0.5) / (counts + 0.5)).astype(np.float32)
    return weights


def _alikeness(query_words: Sequence[str], vectors: Matrix, prepared: Prepared, embedder: Embedder) -> Matrix:
    """Return for each word of the query how alike its best counterpart is, 0 to 1."""
    exact = np.array([stem(word) in prepared.stems for word in query_words], dtype=np.float32)
    if not prepared.words:
        return exact
    cosine = (vectors @ embedder.words(prepared.words).T).max(axis=1)
    scaled: Matrix = np.clip((cosine - COSINE_FLOOR) / (1.0 - COSINE_FLOOR), 0.0, 1.0)
    return np.maximum(exact, scaled)


def _is_about(document: Document, service: str) -> bool:
    return service_stem(service) in {service_stem(name) for name in document.services}
