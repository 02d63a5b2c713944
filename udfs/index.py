"""Documents into OpenSearch: what is sent, what an answer means, how long it is tried.

A document is written under an id of its own by an operation that may be repeated, so nothing here has to remember
what was written before: whatever is in doubt is sent again.
"""

import asyncio
import base64
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import orjson

from schemas.dead_letter import DeadLetter, Stage
from schemas.log_document import document_id
from udfs.breaker import Breaker
from udfs.chunk import chunk_hour, chunk_lines, encode_chunk, hour_of

#: First pause between two attempts; each further pause is twice as long.
FIRST_PAUSE_SECONDS = 0.1
#: How long OpenSearch, once known to be down, may take to say that it is back.
PROBE_TIMEOUT_SECONDS = 1.0

_CONFLICT = 409
_TOO_LARGE = 413
_BAD_REQUEST = 400
#: Errors that carry status 400 although another document would have met them too: they end with the cluster's trouble.
_FAULT_OF_THE_CLUSTER = frozenset(
    {
        "validation_exception",  # "this cluster currently has [1000]/[1000] maximum shards open"
        "index_closed_exception",
        "invalid_index_name_exception",
    }
)


class IndexTarget(StrEnum):
    """What is indexed: log documents by arrival date, or the one document of each incident."""

    LOGS = "logs"
    INCIDENTS = "incidents"


class Document(NamedTuple):
    """One document and the bulk action in front of it, both one line of JSON without its newline."""

    action: bytes
    line: bytes


class Batch(NamedTuple):
    """Documents of one index. `hour` is the start of their arrival hour, epoch milliseconds."""

    index_name: str
    hour: int
    documents: tuple[Document, ...]


class Rejection(NamedTuple):
    """A document that OpenSearch will never take."""

    document: Document
    status: int
    error_type: str


class Reply(NamedTuple):
    """What is left of a bulk request: everything else was accepted."""

    retryable: tuple[Document, ...] = ()
    rejected: tuple[Rejection, ...] = ()


class Outcome(NamedTuple):
    """What became of a batch: `missing` was neither accepted nor rejected within the hold.

    It was not `tried` while OpenSearch is taken to be down.
    """

    accepted: int
    rejected: tuple[Rejection, ...]
    missing: tuple[Document, ...]
    tried: bool = True


class Hold(NamedTuple):
    """How long a batch is tried, and how long one request may take."""

    max_seconds: float
    request_timeout_seconds: float


class UnavailableError(Exception):
    """OpenSearch could not be asked, or refused for a reason that is none of the documents'."""


class RefusedError(Exception):
    """OpenSearch refused a whole request because of something in it."""

    def __init__(self, status: int, error_type: str) -> None:
        super().__init__(f"{status} {error_type}")
        self.status = status
        self.error_type = error_type


class BulkStore(Protocol):
    """OpenSearch, as far as indexing goes."""

    async def bulk(self, index: str, body: bytes) -> Mapping[str, Any]:
        """Send a bulk request; return its answer with at least `status` and `error.type` of every item, in order.

        Raises:
            UnavailableError: try again later.
            RefusedError: at least one document of the request is at fault.
        """
        ...

    async def ping(self) -> None:
        """Ask for a sign of life.

        Raises:
            UnavailableError: there is none.
        """
        ...


def read_batch(target: IndexTarget, element: bytes, prefix: str) -> Batch:
    """Turn an element into a batch: a chunk of log documents, or the JSON of one incident document.

    Raises:
        ValueError: a line is no document of this project.
    """
    if target is IndexTarget.LOGS:
        return make_batch(target, chunk_hour(element), chunk_lines(element), prefix)
    return make_batch(target, hour_of(arrival_time(target, element)), [element], prefix)


def make_batch(target: IndexTarget, hour: int, lines: Sequence[bytes], prefix: str) -> Batch:
    """Return the batch of document lines that arrived in one hour.

    Raises:
        ValueError: a line is no document of this project.
    """
    if target is IndexTarget.LOGS:
        documents = tuple(Document(_log_action(line), line) for line in lines)
        return Batch(log_index(hour, prefix), hour, documents)
    return Batch(f"{prefix}incidents", hour, tuple(Document(_incident_action(line), line) for line in lines))


def log_index(arrival: int, prefix: str) -> str:
    """Return the index of what arrived at `arrival`, epoch milliseconds: one a day, in UTC.

    A document written twice meets itself only while both writes go to the same index, hence arrival and not event time.
    """
    return f"{prefix}logs-{datetime.fromtimestamp(arrival / 1000, UTC):%Y.%m.%d}"


def arrival_time(target: IndexTarget, line: bytes) -> int:
    """Return the arrival time of a document, epoch milliseconds; for an incident that of its latest record."""
    field = "arrival_time" if target is IndexTarget.LOGS else "last_seen"
    arrival: int = orjson.loads(line)[field]
    return arrival


def bulk_body(documents: Sequence[Document]) -> bytes:
    """Return the NDJSON body of a bulk request."""
    return b"".join(part + b"\n" for document in documents for part in document)


def read_reply(documents: Sequence[Document], reply: Mapping[str, Any]) -> Reply:
    """Sort the documents of a bulk request by what its answer says of them.

    A version conflict means that the same or a newer version is there already, and counts as accepted.

    Raises:
        UnavailableError: the answer has another form than OpenSearch's, as the page of a proxy.
    """
    try:
        return _sorted_by(documents, reply)
    except (TypeError, KeyError, ValueError, AttributeError):
        raise UnavailableError("the answer is not OpenSearch's") from None


def _sorted_by(documents: Sequence[Document], reply: Mapping[str, Any]) -> Reply:
    if reply["errors"] is False:
        return Reply()
    retryable = []
    rejected = []
    for document, item in zip(documents, reply["items"], strict=True):
        (result,) = item.values()
        status = result["status"]
        if status < _BAD_REQUEST or status == _CONFLICT:
            continue
        error_type = result["error"]["type"]
        if is_fault_of_the_document(status, error_type):
            rejected.append(Rejection(document, status, error_type))
        else:
            retryable.append(document)
    return Reply(tuple(retryable), tuple(rejected))


def is_fault_of_the_document(status: int, error_type: str) -> bool:
    """Say whether the same document would be refused for ever."""
    return status in {_BAD_REQUEST, _TOO_LARGE} and error_type not in _FAULT_OF_THE_CLUSTER


async def deliver(batch: Batch, store: BulkStore, breaker: Breaker, hold: Hold) -> Outcome:
    """Index a batch: try what is missing again and again until the hold is over.

    The breaker counts batches: one that could not be delivered within its hold opens it, and while it is open a batch
    is not tried at all. So an outage costs one hold, and then at most one probe per cool-down.
    """
    if not await _is_worth_trying(store, breaker):
        return Outcome(0, (), batch.documents, tried=False)
    deadline = time.monotonic() + hold.max_seconds
    missing = batch.documents
    rejected: tuple[Rejection, ...] = ()
    pause = FIRST_PAUSE_SECONDS
    while missing and (left := deadline - time.monotonic()) > 0:
        reply = await _attempt(store, batch.index_name, missing, min(left, hold.request_timeout_seconds))
        missing, rejected = reply.retryable, rejected + reply.rejected
        if missing:
            await asyncio.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            pause *= 2
    if missing:
        breaker.failed(time.monotonic())
    else:
        breaker.succeeded()
    return Outcome(len(batch.documents) - len(rejected) - len(missing), rejected, missing)


def dead_letters(target: IndexTarget, batch: Batch, rejected: Sequence[Rejection]) -> bytes:
    """Return the chunk of dead letters of rejected documents. `raw` is the document line, which is redacted.

    OpenSearch's own reason quotes the field that it could not read, so it is left out.
    """
    letters = (
        DeadLetter(
            id=orjson.loads(rejection.document.line)["id"],
            arrival_time=arrival_time(target, rejection.document.line),
            stage=Stage.INDEX,
            error_type=rejection.error_type,
            reason=f"OpenSearch refused the document for {batch.index_name} with status {rejection.status}",
            raw=base64.b64encode(rejection.document.line).decode(),
            size=len(rejection.document.line),
        )
        for rejection in rejected
    )
    return encode_chunk(batch.hour, (letter.to_bytes() for letter in letters))


def backlog(batch: Batch, missing: Sequence[Document]) -> bytes:
    """Return the chunk of documents that `cali index catch-up` is to index later."""
    return encode_chunk(batch.hour, (document.line for document in missing))


def _log_action(line: bytes) -> bytes:
    return orjson.dumps({"index": {"_id": document_id(line)}})


def _incident_action(line: bytes) -> bytes:
    document = orjson.loads(line)
    action = {"_id": document["id"], "version": document["version"], "version_type": "external"}
    return orjson.dumps({"index": action})


async def _is_worth_trying(store: BulkStore, breaker: Breaker) -> bool:
    was_open = breaker.is_open
    if not breaker.allows(time.monotonic()):
        return False
    if not was_open:
        return True
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_SECONDS):
            await store.ping()
    except (UnavailableError, TimeoutError):
        breaker.failed(time.monotonic())
        return False
    return True


async def _attempt(store: BulkStore, index: str, documents: tuple[Document, ...], timeout: float) -> Reply:  # noqa: ASYNC109 - the caller's deadline, made one here
    try:
        async with asyncio.timeout(timeout):
            return await _send(store, index, documents)
    except (UnavailableError, TimeoutError):
        return Reply(retryable=documents)


async def _send(store: BulkStore, index: str, documents: tuple[Document, ...]) -> Reply:
    """Send one bulk request; one that is refused as a whole is halved until the document at fault stands alone."""
    try:
        return read_reply(documents, await store.bulk(index, bulk_body(documents)))
    except RefusedError as refusal:
        if len(documents) == 1:
            return Reply(rejected=(Rejection(documents[0], refusal.status, refusal.error_type),))
    half = len(documents) // 2
    first = await _send(store, index, documents[:half])
    second = await _send(store, index, documents[half:])
    return Reply(first.retryable + second.retryable, first.rejected + second.rejected)
