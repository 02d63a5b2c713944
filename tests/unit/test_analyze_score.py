"""Scores: the same for the same input, high for what is alike, low for what is vague."""

import numpy as np
import pytest

from schemas.analysis import KnowledgeKind
from udfs.analyze.embed import DIMENSION, Embedder, load_embedder
from udfs.analyze.knowledge import Document
from udfs.analyze.score import Candidate, Query, prepare, probability, rank, raw_scores
from udfs.analyze.text import words


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder()


def document(name: str, text: str, service: str = "payment-api") -> Document:
    return Document(
        id=name,
        kind=KnowledgeKind.RUNBOOK,
        title=text[:60],
        date="2026-01-01",
        url=f"https://runbooks.example.com/{name}",
        services=(service,),
        symptoms=(text,),
        text=text,
        cause="A cause.",
        fix="A fix.",
    )


POOL = document("pool", "HikariPool connection is not available, request timed out waiting for the database")
DISK = document("disk", "No space left on device, volume is full")
REDIS = document("redis", "OOM command not allowed when used memory is above maxmemory")


def scores(text: str, embedder: Embedder, *documents: Document, service: str = "payment-api") -> dict[str, float]:
    vectors = embedder.texts([text, *(found.told for found in documents)])
    candidates = [Candidate(prepare(found), float(vectors[0] @ vectors[n])) for n, found in enumerate(documents, 1)]
    matches = rank(Query(service, text), words(text), candidates, embedder)
    return {match.document.id: match.score for match in matches}


def test_texts_become_unit_vectors_that_depend_on_nothing_but_the_text(embedder: Embedder) -> None:
    alone = embedder.texts(["database connection timed out"])
    among = embedder.texts(["x", "database connection timed out", "a much longer text about something else"])
    assert alone.shape == (1, DIMENSION)
    assert np.allclose(np.linalg.norm(among, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(alone[0], among[1])
    assert np.array_equal(embedder.words(["deadlock"]), embedder.words(["deadlock"]))


def test_a_text_without_tokens_has_no_direction(embedder: Embedder) -> None:
    assert not embedder.texts([""]).any()
    assert embedder.texts([]).shape == (0, DIMENSION)


def test_the_document_about_the_failure_leads_and_the_others_are_far_behind(embedder: Embedder) -> None:
    found = scores("could not get a connection from HikariPool, timed out", embedder, DISK, POOL, REDIS)
    assert next(iter(found)) == "pool"
    assert found["pool"] > 0.9
    assert found["disk"] < 0.1
    assert found["redis"] < 0.1


def test_the_order_of_the_candidates_does_not_matter(embedder: Embedder) -> None:
    text = "no space left on device while writing"
    assert scores(text, embedder, DISK, POOL, REDIS) == scores(text, embedder, REDIS, DISK, POOL)


def test_a_document_about_the_same_service_is_preferred(embedder: Embedder) -> None:
    twin = POOL.model_copy(update={"id": "a-twin", "services": ("shipping",)})
    found = scores("connection is not available", embedder, twin, POOL, DISK)
    assert found["pool"] > found["a-twin"]


@pytest.mark.parametrize("text", ["timed", "is not available", "request failed", "??? 12"])
def test_a_vague_text_matches_nothing_however_well_its_words_are_covered(text: str, embedder: Embedder) -> None:
    assert max(scores(text, embedder, DISK, POOL, REDIS).values()) < 0.5


def test_without_words_or_candidates_there_is_no_score(embedder: Embedder) -> None:
    assert raw_scores(Query("a", ""), (), [Candidate(prepare(POOL), 0.9)], embedder) == [0.0]
    assert rank(Query("a", "b"), ("b",), [], embedder) == []


def test_a_score_is_a_probability_that_grows_and_never_promises_certainty() -> None:
    values = [probability(raw / 100, raw / 100) for raw in range(101)]
    assert values == sorted(values)
    assert values[0] < 0.01
    assert values[-1] == 0.99
    assert probability(0.5, 0.8) < probability(0.5, 0.5)
