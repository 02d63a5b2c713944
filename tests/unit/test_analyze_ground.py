"""The grounding check: what a model may say, and what it may not."""

import pytest

from schemas.analysis import KnowledgeKind
from udfs.analyze.answer import Answer
from udfs.analyze.extractive import extract
from udfs.analyze.ground import GroundingError, ground
from udfs.analyze.knowledge import Document
from udfs.analyze.score import Match


def match(name: str, score: float) -> Match:
    document = Document(
        id=name,
        kind=KnowledgeKind.RUNBOOK,
        title="Pool exhausted",
        date="2026-01-01",
        url=f"https://runbooks.example.com/{name}",
        services=("payment-api",),
        symptoms=("no connection",),
        text="It waits. See sftp://acq.example.net/out.",
        cause=f"Cause of {name}.",
        fix=f"Fix of {name}.",
    )
    return Match(document, score)


MATCHES = [match("pool", 0.9), match("leak", 0.7)]


def answer(cause: str = "The pool is empty.", action: str = "Restart.", *evidence: str) -> Answer:
    return Answer(cause, action, evidence or ("pool",))


def test_an_answer_that_names_what_was_found_passes_and_brings_its_documents_by_score() -> None:
    grounded = ground(answer("C", "A", "leak", "pool"), MATCHES)
    assert (grounded.cause, grounded.action) == ("C", "A")
    assert [found.document.id for found in grounded.evidence] == ["pool", "leak"]


def test_only_named_documents_are_evidence() -> None:
    assert [found.document.id for found in ground(answer("C", "A", "leak"), MATCHES).evidence] == ["leak"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (Answer("C", "A", ()), "without evidence"),
        (Answer("C", "A", ("pool", "made-up")), "was not found"),
        (Answer("C", "A", ("",)), "was not found"),
        (Answer("", "A", ("pool",)), "without a cause or an action"),
        (Answer("C", " \n\u200b\x00 ", ("pool",)), "without a cause or an action"),
    ],
)
def test_an_answer_without_ground_is_refused(given: Answer, problem: str) -> None:
    with pytest.raises(GroundingError, match=problem):
        ground(given, MATCHES)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/collect",
        "HTTPS://EVIL.example",
        "http:/evil.example",
        "www\u200b.evil.example",
        "www.evil.example",
        "evil.example/collect?x=1",
        "evil.example:8080/collect",
        "ftp://evil.example/a",
        "mailto:a@evil.example",
        "attacker@evil.example",
        "javascript:alert(1)",
        "[guide](//evil.example)",
        "<https://evil.example|guide>",
        "https://runbooks.example.com/other",
    ],
)
@pytest.mark.parametrize("place", ["cause", "action"])
def test_a_link_that_no_named_document_has_is_refused_and_not_repeated(link: str, place: str) -> None:
    texts = {"cause": "C", "action": "A"} | {place: f"See {link} now."}
    with pytest.raises(GroundingError) as error:
        ground(answer(**texts), MATCHES)
    assert "evil" not in str(error.value)


def test_a_link_of_a_document_that_was_not_named_is_foreign_too() -> None:
    with pytest.raises(GroundingError, match="link"):
        ground(answer("See https://runbooks.example.com/leak", "A", "pool"), MATCHES)


@pytest.mark.parametrize(
    "text",
    [
        "See https://runbooks.example.com/pool.",
        "List sftp://acq.example.net/out by hand.",
        "java.sql.SQLException in com.zaxxer.hikari at 12:30, ratio 3/4, and/or read/write.",
        "Set spring.datasource.hikari.maximum-pool-size=20",
    ],
)
def test_links_of_named_documents_and_words_that_are_no_links_pass(text: str) -> None:
    assert ground(answer(text, "A"), MATCHES).cause == text


def test_texts_are_made_safe_to_show_and_cut() -> None:
    grounded = ground(answer("a\x1b[2J\u202eb  c\n\n\nd", "x" * 5_000), MATCHES)
    assert grounded.cause == "a[2Jb c\nd"
    assert len(grounded.action) == 1_500


def test_the_extractive_answer_is_the_best_document_s_with_all_that_was_found_behind_it() -> None:
    assert extract(MATCHES) == Answer("Cause of pool.", "Fix of pool.", ("pool", "leak"))
