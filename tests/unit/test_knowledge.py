"""Documents of the knowledge base: what is read, what is refused and how that is said."""

import json
from pathlib import Path

import pytest

from jobs.knowledge import read_documents, read_queries
from jobs.log_insight.settings import AwsSettings
from udfs.analyze.extractive import extract
from udfs.analyze.ground import ground
from udfs.analyze.knowledge import Document, KnowledgeError, is_document, parse_document, parse_documents, passages
from udfs.analyze.score import Match

KNOWLEDGE = Path(__file__).parents[2] / "knowledge"
FILES = sorted(path for path in KNOWLEDGE.rglob("*.md") if is_document(path.name))

VALID = """---
id: rb-example
kind: runbook
title: Pool exhausted
date: 2026-03-12
url: https://runbooks.example.com/pool
services: [payment-api]
symptoms:
  - no connection available
---
## Symptoms

Everything waits.

```
java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available
    at com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:686)
```

## Cause

Connections are not returned.

## Fix

1. Find who holds them.
"""


def without(line: str) -> str:
    return VALID.replace(f"{line}\n", "", 1)


def test_a_document_is_read_with_its_front_matter_and_its_three_sections() -> None:
    document = parse_document("pool.md", VALID)
    assert (document.id, document.kind, document.date) == ("rb-example", "runbook", "2026-03-12")
    assert document.services == ("payment-api",)
    assert document.cause == "Connections are not returned."
    assert document.fix == "1. Find who holds them."
    assert Document.model_validate_json(document.to_bytes()) == document


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("# no front matter", "front matter: it must stand between"),
        (VALID.replace("kind: runbook", "kind: [runbook"), "front matter: not YAML, line"),
        ("---\n- a list\n---\n", "front matter: not a mapping"),
        (f"---\n- {'[' * 3_000}\n---\n", "front matter: nested too deep"),
        (without("id: rb-example"), "id: Field required"),
        (VALID.replace("rb-example", "Not An Id"), "id: String should match"),
        (VALID.replace("kind: runbook", "kind: poem"), "kind: Input should be 'runbook' or 'incident'"),
        (without("title: Pool exhausted"), "title: Field required"),
        (VALID.replace("2026-03-12", "2026-13-45"), "date: Value error"),
        (VALID.replace("2026-03-12", "yesterday"), "date: Value error"),
        (VALID.replace("https://runbooks.example.com/pool", "javascript:alert(1)"), "url: String should match"),
        (VALID.replace("https://runbooks.example.com/pool", "'https://a.example/x|y'"), "url: String should match"),
        (VALID.replace("[payment-api]", "[]"), "services: Tuple should have at least 1 item"),
        (VALID.replace("[payment-api]", "payment-api"), "services: Input should be a valid tuple"),
        (VALID.replace("  - no connection available", "  - a: b"), "symptoms.0: Input should be a valid string"),
        (VALID.replace("## Cause", "## Reason"), "section Cause: missing or empty"),
        (VALID.replace("1. Find who holds them.\n", ""), "section Fix: missing or empty"),
        (VALID + "x" * 60_000, "longer than 60000 bytes"),
    ],
)
def test_a_wrong_document_is_refused_with_its_file_and_its_field(content: str, problem: str) -> None:
    with pytest.raises(KnowledgeError) as error:
        parse_document("runbooks/pool.md", content)
    assert str(error.value).startswith(f"runbooks/pool.md: {problem}")


def test_a_file_of_another_operating_system_reads_the_same() -> None:
    assert parse_document("pool.md", VALID.replace("\n", "\r\n")) == parse_document("pool.md", VALID)


def test_a_byte_order_mark_is_no_part_of_a_document_or_a_query(tmp_path: Path) -> None:
    """Some editors put one at the beginning of a file."""
    (tmp_path / "pool.md").write_text(VALID, encoding="utf-8-sig")
    (tmp_path / "queries.ndjson").write_text((KNOWLEDGE / "eval" / "queries.ndjson").read_text(), encoding="utf-8-sig")
    assert read_documents(str(tmp_path), AwsSettings()) == [parse_document("pool.md", VALID)]
    found = read_queries(str(tmp_path / "queries.ndjson"), AwsSettings())
    assert found == read_queries(str(KNOWLEDGE / "eval" / "queries.ndjson"), AwsSettings())


def test_two_documents_with_one_id_are_refused_with_both_names() -> None:
    with pytest.raises(KnowledgeError, match=r"b\.md: id: 'rb-example' is already used by a\.md"):
        parse_documents([("a.md", VALID), ("b.md", VALID)])


def test_an_empty_folder_is_refused_for_it_would_empty_the_knowledge_base() -> None:
    with pytest.raises(KnowledgeError, match="no documents"):
        parse_documents([])


def test_each_symptom_and_each_quoted_log_line_is_a_passage_but_no_stack_frame() -> None:
    found = passages(parse_document("pool.md", VALID))
    assert "no connection available" in found
    assert "sql SQL Transient Connection Exception Hikari Pool 1 Connection is not available" in found
    assert not any(passage.startswith("at ") for passage in found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_document_of_the_project_is_valid_and_can_be_answered_from(path: Path) -> None:
    document = parse_document(path.name, path.read_text(encoding="utf-8"))
    assert path.stem == document.id
    assert path.parent.name == f"{document.kind.value}s"
    grounded = ground(extract([Match(document, 0.9)]), [Match(document, 0.9)])
    assert grounded.action
    assert not grounded.action.endswith("…"), "people see a fix that is cut off"


def test_the_project_has_enough_documents_and_its_queries_name_no_others() -> None:
    documents = parse_documents((path.name, path.read_text(encoding="utf-8")) for path in FILES)
    queries = [json.loads(line) for line in (KNOWLEDGE / "eval" / "queries.ndjson").read_text().splitlines()]
    assert len(documents) >= 36
    assert sum(bool(query["expected"]) for query in queries) >= 60
    assert sum(not query["expected"] for query in queries) >= 15
    assert {name for query in queries for name in query["expected"]} <= {document.id for document in documents}
    assert len({query["id"] for query in queries}) == len(queries)
