"""The knowledge base in Milvus: an alias over a collection, brought in line with the documents.

The collection's name ends in a hash of its definition and of the embedding. Where that is as before, only what changed
is written. Where it is not, a new collection is filled beside the old one and the alias is moved: searches never
meet vectors of two kinds, or none.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from itertools import islice
from typing import Any, NamedTuple

from pymilvus import DataType, MilvusClient
from pymilvus.exceptions import MilvusException

from udfs.analyze.embed import EMBEDDING, Embedder
from udfs.analyze.knowledge import Document, passages
from udfs.ids import stable_hash

#: Rows of one request.
BATCH = 200
#: Milvus answers a query with so many rows at most; a knowledge base holds some dozen rows per document.
MAX_ROWS = 16_384


class SyncError(Exception):
    """The knowledge base cannot be brought in line."""


class Row(NamedTuple):
    """One passage as it lies in Milvus, without its vector."""

    id: str
    document_id: str
    revision: str
    document: str
    passage: str


class Plan(NamedTuple):
    """What has to be written and what has to go, by row."""

    upsert: tuple[Row, ...]
    delete: tuple[str, ...]


class SyncReport(NamedTuple):
    """What a sync did, in documents. `collection` is the one behind the alias now."""

    collection: str
    added: int
    changed: int
    deleted: int
    unchanged: int


def rows_of(document: Document) -> tuple[Row, ...]:
    """Return a document's rows, one a passage."""
    body = document.to_bytes().decode()
    return tuple(
        Row(f"{document.id}#{number}", document.id, stable_hash(body, passage), body, passage)
        for number, passage in enumerate(passages(document))
    )


def plan(present: Mapping[str, str], wanted: Sequence[Row]) -> Plan:
    """Compare rows that are there (id to revision) with rows that should be."""
    ids = {row.id for row in wanted}
    return Plan(
        upsert=tuple(row for row in wanted if present.get(row.id) != row.revision),
        delete=tuple(sorted(set(present) - ids)),
    )


def sync(client: MilvusClient, alias: str, documents: Sequence[Document], embedder: Embedder) -> SyncReport:
    """Make the collection behind `alias` hold exactly `documents`, searchable when this returns.

    A second run with the same documents writes nothing. A run that was cut short is completed by the next one.

    Raises:
        SyncError: Milvus does not answer or refuses, or there are too many documents.
    """
    definition = _definition()
    collection = f"{alias}_{stable_hash(json.dumps(definition, sort_keys=True), EMBEDDING)}"
    wanted = [row for document in documents for row in rows_of(document)]
    if len(wanted) > MAX_ROWS:
        raise SyncError(f"{len(documents)} documents have {len(wanted)} passages, more than {MAX_ROWS}")
    try:
        if not client.has_collection(collection):
            _create(client, collection, definition)
        client.load_collection(collection)
        present = _present(client, collection)
        _write(client, collection, plan(present, wanted), embedder)
        _point(client, alias, collection)
    except MilvusException as error:
        raise SyncError(f"Milvus: {error.message}") from error
    return _report(collection, present, wanted)


def _write(client: MilvusClient, collection: str, change: Plan, embedder: Embedder) -> None:
    for rows in _batches(change.upsert):
        vectors = embedder.texts([row.passage for row in rows])
        client.upsert(
            collection,
            [
                {
                    "id": row.id,
                    "document_id": row.document_id,
                    "revision": row.revision,
                    "document": row.document,
                    "vector": vector.tolist(),
                }
                for row, vector in zip(rows, vectors, strict=True)
            ],
        )
    # Written before anything is deleted: a document that lost a passage is found all the time.
    for ids in _batches(change.delete):
        client.delete(collection, ids=list(ids))
    if change.upsert or change.delete:
        client.flush(collection)
        client.load_collection(collection)


def _present(client: MilvusClient, collection: str) -> dict[str, str]:
    rows = client.query(
        collection, filter='id != ""', output_fields=["id", "revision"], limit=MAX_ROWS, consistency_level="Strong"
    )
    return {row["id"]: row["revision"] for row in rows}


def _point(client: MilvusClient, alias: str, collection: str) -> None:
    before = _target(client, alias)
    if before == collection:
        return
    if before is None:
        client.create_alias(collection_name=collection, alias=alias)
        return
    client.alter_alias(collection_name=collection, alias=alias)
    if before.startswith(f"{alias}_"):
        client.drop_collection(before)


def _target(client: MilvusClient, alias: str) -> str | None:
    """Return the collection behind an alias; asked in two steps, for pymilvus logs a missing alias as an error."""
    if not client.has_collection(alias):
        return None
    try:
        target: str = client.describe_alias(alias)["collection_name"]
    except MilvusException as error:
        raise SyncError(f"{alias} is a collection, not an alias: drop it or choose another name") from error
    return target


def _create(client: MilvusClient, collection: str, definition: Mapping[str, Any]) -> None:
    schema = MilvusClient.create_schema(description=definition["description"])
    for field in definition["fields"]:
        sizes = {name: field[name] for name in ("max_length", "dim") if name in field}
        schema.add_field(field["name"], DataType[field["type"]], is_primary=field.get("primary", False), **sizes)
    index = definition["index"]
    parameters = MilvusClient.prepare_index_params()
    parameters.add_index(index["field"], index_type=index["type"], metric_type=index["metric"], params=index["params"])
    client.create_collection(collection, schema=schema, index_params=parameters)


def _definition() -> Mapping[str, Any]:
    text = resources.files("schemas").joinpath("milvus/knowledge.json").read_text(encoding="utf-8")
    definition: Mapping[str, Any] = json.loads(text)
    return definition


def _report(collection: str, present: Mapping[str, str], wanted: Sequence[Row]) -> SyncReport:
    change = plan(present, wanted)
    before = {row_id.partition("#")[0] for row_id in present}
    after = {row.document_id for row in wanted}
    touched = {row.document_id for row in change.upsert} | {row_id.partition("#")[0] for row_id in change.delete}
    return SyncReport(
        collection=collection,
        added=len(after - before),
        changed=len(after & before & touched),
        deleted=len(before - after),
        unchanged=len((after & before) - touched),
    )


def _batches(items: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    rest = iter(items)
    while batch := tuple(islice(rest, BATCH)):
        yield batch
