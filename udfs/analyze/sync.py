"""The knowledge base in Milvus: an alias over a collection, and another collection staged beside it.

The name of a collection ends in a hash of all that it holds: its definition, the embedding, every passage. So documents
that were staged before are found again and nothing is written, what was cut short is completed, and a collection that
is not as its name says is never taken for whole.

Three aliases, so three collections at most:

    NAME          live: what the job searches
    NAME_staged   what was staged last
    NAME_before   what was live before; a search that began as the alias moved still finds it. To go back to it, sync
                  the documents of then: they are staged already

Milvus works out the alias anew in every search (pymilvus keeps nothing), and moves it in one step: a job that searches
meets the old collection or the new one, never none.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
    """Documents cannot be staged or promoted. Nothing that is live has changed."""


class NotStagedError(SyncError):
    """These documents are not staged, or not to the end."""


class UnansweredError(SyncError):
    """Milvus does not answer or refuses: it is not known whether they can be. Trying again may help."""


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


class StageReport(NamedTuple):
    """What was staged: `written` rows, and how the documents differ from those that are live, in documents."""

    collection: str
    live: str | None
    written: int
    added: int
    changed: int
    deleted: int
    unchanged: int


class Live(NamedTuple):
    """What is live: the collection, the ids of its documents, and whether it is whole and of this release."""

    collection: str
    documents: frozenset[str]
    is_whole: bool


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


def stage(client: MilvusClient, alias: str, documents: Sequence[Document], embedder: Embedder) -> StageReport:
    """Fill a collection beside the live one with exactly `documents`, searchable when this returns.

    A second run with the same documents writes nothing. A run that was cut short is completed by the next one. What
    somebody else staged before is dropped.

    Raises:
        SyncError: there are too many documents, or somebody else writes to the same collection.
        UnansweredError: Milvus does not answer or refuses.
    """
    wanted = _wanted(documents)
    if len(wanted) > MAX_ROWS:
        raise SyncError(f"{len(documents)} documents have {len(wanted)} passages, more than {MAX_ROWS}")
    revisions = _revisions(wanted)
    collection = _name(alias, revisions)
    with _explained():
        live = _target(client, alias)
        live_rows = _present(client, live) if live else {}
        _make_room(client, alias, collection, live)
        if not client.has_collection(collection):
            _create(client, collection)
        if collection != live:
            _point(client, _staged_alias(alias), collection)
        change = plan(_present(client, collection), wanted)
        _write(client, collection, change, embedder)
        # A read that waits for every write also makes the searches that follow see them.
        if _present(client, collection) != revisions:
            raise SyncError(f"{collection} does not hold what was written: somebody else writes to it, stage again")
    return _report(collection, live, len(change.upsert), live_rows, wanted)


def find_staged(client: MilvusClient, alias: str, documents: Sequence[Document]) -> str:
    """Return the collection that holds exactly `documents`, staged or live already.

    Raises:
        NotStagedError: they were not staged, or not to the end.
        UnansweredError: Milvus does not answer or refuses.
    """
    revisions = _revisions(_wanted(documents))
    collection = _name(alias, revisions)
    with _explained():
        staged = _target(client, _staged_alias(alias))
        if collection not in (staged, _target(client, alias)):
            other = f"{staged} is: they have changed since, or somebody staged others" if staged else "nothing is"
            raise NotStagedError(f"these documents are not staged, {other}")
        if _present(client, collection) != revisions:
            raise NotStagedError(f"{collection} is staged in part only")
    return collection


def find_live(client: MilvusClient, alias: str) -> Live | None:
    """Return what is live, None where nothing is.

    Raises:
        SyncError: the alias is a collection.
        UnansweredError: Milvus does not answer or refuses.
    """
    with _explained():
        collection = _target(client, alias)
        if collection is None:
            return None
        rows = _present(client, collection)
    return Live(collection, frozenset(map(_document_of, rows)), _name(alias, rows) == collection)


def promote(client: MilvusClient, alias: str, collection: str, live: str | None) -> None:
    """Make a staged collection the live one, in place of `live`, which stays as the one before.

    What was cut short is completed by the next promotion. Nothing is done where the collection is live already, as
    after another promotion of the same documents.

    Raises:
        SyncError: another collection than these two is live now.
        UnansweredError: Milvus does not answer or refuses.
    """
    with _explained():
        now = _target(client, alias)
        if now == collection:
            return
        if now != live:
            raise SyncError(f"{now} became live meanwhile, instead of {live}: promote again")
        if live:
            before = _before_alias(alias)
            _discard(client, alias, before, keep=(collection, live))
            _point(client, before, live)
        _point(client, alias, collection)


def _make_room(client: MilvusClient, alias: str, collection: str, live: str | None) -> None:
    before = _target(client, _before_alias(alias))
    _discard(client, alias, _staged_alias(alias), keep=(collection, live, before))


def _discard(client: MilvusClient, alias: str, handle: str, keep: Sequence[str | None]) -> None:
    """Drop the collection behind one of the aliases of `alias`, unless it is to be kept.

    Milvus drops no collection that an alias points to. A process that is killed between the two calls leaves one that
    nothing points to; it is used again by whoever stages the same documents.
    """
    collection = _target(client, handle)
    if collection is None or collection in keep:
        return
    client.drop_alias(handle)
    if collection.startswith(f"{alias}_"):
        client.drop_collection(collection)


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


def _present(client: MilvusClient, collection: str) -> dict[str, str]:
    """Return the revision of each row; the collection is loaded afterwards."""
    client.load_collection(collection)
    rows = client.query(
        collection, filter='id != ""', output_fields=["id", "revision"], limit=MAX_ROWS, consistency_level="Strong"
    )
    return {row["id"]: row["revision"] for row in rows}


def _point(client: MilvusClient, alias: str, collection: str) -> None:
    before = _target(client, alias)
    if before is None:
        client.create_alias(collection_name=collection, alias=alias)
    elif before != collection:
        client.alter_alias(collection_name=collection, alias=alias)


def _target(client: MilvusClient, alias: str) -> str | None:
    """Return the collection behind an alias; asked in two steps, for pymilvus logs a missing alias as an error."""
    if not client.has_collection(alias):
        return None
    try:
        target: str = client.describe_alias(alias)["collection_name"]
    except MilvusException as error:
        raise SyncError(f"{alias} is a collection, not an alias: drop it or choose another name") from error
    return target


def _create(client: MilvusClient, collection: str) -> None:
    definition = _definition()
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


def _name(alias: str, revisions: Mapping[str, str]) -> str:
    definition = json.dumps(_definition(), sort_keys=True)
    return f"{alias}_{stable_hash(definition, EMBEDDING, json.dumps(revisions, sort_keys=True))}"


def _staged_alias(alias: str) -> str:
    return f"{alias}_staged"


def _before_alias(alias: str) -> str:
    return f"{alias}_before"


def _wanted(documents: Sequence[Document]) -> list[Row]:
    return [row for document in documents for row in rows_of(document)]


def _revisions(rows: Sequence[Row]) -> dict[str, str]:
    return {row.id: row.revision for row in rows}


def _document_of(row_id: str) -> str:
    return row_id.partition("#")[0]


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except MilvusException as error:
        raise UnansweredError(f"Milvus: {error.message}") from error


def _report(
    collection: str, live: str | None, written: int, live_rows: Mapping[str, str], wanted: Sequence[Row]
) -> StageReport:
    change = plan(live_rows, wanted)
    before = set(map(_document_of, live_rows))
    after = {row.document_id for row in wanted}
    touched = {row.document_id for row in change.upsert} | set(map(_document_of, change.delete))
    return StageReport(
        collection=collection,
        live=live,
        written=written,
        added=len(after - before),
        changed=len(after & before & touched),
        deleted=len(before - after),
        unchanged=len((after & before) - touched),
    )


def _batches(items: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    rest = iter(items)
    while batch := tuple(islice(rest, BATCH)):
        yield batch
