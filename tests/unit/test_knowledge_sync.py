"""What a sync would write and delete."""

from schemas.analysis import KnowledgeKind
from udfs.analyze.knowledge import Document
from udfs.analyze.sync import Plan, plan, rows_of


def document(cause: str = "A cause.", symptoms: tuple[str, ...] = ("no connection", "long waits")) -> Document:
    return Document(
        id="rb-pool",
        kind=KnowledgeKind.RUNBOOK,
        title="Pool exhausted",
        date="2026-01-01",
        url="https://runbooks.example.com/pool",
        services=("payment-api",),
        symptoms=symptoms,
        text="It waits.",
        cause=cause,
        fix="A fix.",
    )


def present(document: Document) -> dict[str, str]:
    return {row.id: row.revision for row in rows_of(document)}


def test_what_is_there_as_it_should_be_is_left_alone() -> None:
    assert plan(present(document()), rows_of(document())) == Plan((), ())


def test_a_change_anywhere_in_a_document_writes_all_of_its_rows_for_each_carries_the_whole() -> None:
    changed = rows_of(document(cause="Another cause."))
    assert plan(present(document()), changed) == Plan(changed, ())


def test_a_passage_that_is_gone_is_deleted_after_the_others_are_written() -> None:
    shorter = rows_of(document(symptoms=("no connection",)))
    assert plan(present(document()), shorter) == Plan(shorter, ("rb-pool#3",))


def test_a_document_that_is_gone_is_deleted_whole() -> None:
    assert plan(present(document()), ()).delete == ("rb-pool#0", "rb-pool#1", "rb-pool#2", "rb-pool#3")
