"""What a replay wrote, held against what it read, hour by hour.

What is read are the lines of the archive: an id that is there twice, as after going back to an older savepoint, is one
document. The receipts of the live job say how many there have to be, so that a file that the archive lost is missed.
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import orjson
from opensearchpy import OpenSearch

from jobs.commands.lines import DamagedError, read_lines
from jobs.commands.objects import Folder
from jobs.hours import Hours, hour_name
from schemas.log_document import document_id
from schemas.receipt import Receipt, sequence_order
from udfs.chunk import HOUR_MS, hour_folder
from udfs.index import IndexTarget, log_index

#: Ids in one question to OpenSearch.
_IDS = 1_000


class UnreadableError(Exception):
    """A file is cut short, or holds something else than it should."""


class PartialAnswerError(Exception):
    """OpenSearch answered for some of the shards only."""


class Received(NamedTuple):
    """Lines that were archived, by the receipts.

    Where receipts `overlap`, the live job has read some records twice, and the sum has them twice.
    """

    lines: int
    overlap: bool


class Places(NamedTuple):
    """Where is what is compared: of the live job archive and receipts, of the replay the rest."""

    archive: Folder
    receipts: Folder
    dead_letters: Folder
    backlog: Folder


class Row(NamedTuple):
    """One hour; numbers of lines, each counted once.

    `backlog` are those that are in the backlog and not in the index.
    """

    hour: str
    received: int
    archived: int
    documents: int
    dead_letters: int
    backlog: int
    overlap: bool

    @property
    def same(self) -> bool:
        """Whether all that was archived is where it belongs."""
        whole = self.overlap or self.received == self.archived
        return whole and self.archived == self.documents + self.dead_letters + self.backlog


def compare(hours: Hours, places: Places, client: OpenSearch, prefix: str) -> Iterator[Row]:
    """Yield a row for each hour; `prefix` is that of the replay's indices.

    Raises:
        UnreadableError: a file has no reading.
        ObjectGoneError: a file was deleted while it was read, as in a backlog that is being caught up.
        PartialAnswerError, OpenSearchException, BotoCoreError, ClientError: a store did not answer.
    """
    for day in hours.days():
        documents = _documents(day, client, prefix)
        for start in day.starts():
            try:
                yield _row(start, places, documents.get(start, 0), client, prefix)
            except (ValueError, KeyError, TypeError) as error:
                problem = f"{hour_name(start)}: a receipt, dead letter or line of the backlog has no reading"
                raise UnreadableError(f"{problem}: {type(error).__name__}") from None


def has_index(client: OpenSearch, prefix: str) -> bool:
    """Say whether a replay whose indices begin with `prefix` has made one for lines.

    Raises:
        PartialAnswerError, OpenSearchException: OpenSearch did not answer.
    """
    return bool(_search(client, f"{prefix}logs-*", {"size": 0})["_shards"]["total"])


def total(rows: Sequence[Row]) -> Row:
    """Return the sums of rows."""
    return Row(
        "total",
        received=sum(row.received for row in rows),
        archived=sum(row.archived for row in rows),
        documents=sum(row.documents for row in rows),
        dead_letters=sum(row.dead_letters for row in rows),
        backlog=sum(row.backlog for row in rows),
        overlap=any(row.overlap for row in rows),
    )


def received_by(receipts: Iterable[Receipt]) -> Received:
    """Return what the receipts of an hour add up to; one that came twice counts once."""
    distinct = {(each.origin, each.first_sequence, each.last_sequence): each for each in receipts}
    overlap, origin, read_to = False, "", (0, "")
    for receipt in sorted(distinct.values(), key=lambda each: (each.origin, sequence_order(each.first_sequence))):
        if receipt.origin != origin:
            origin, read_to = receipt.origin, (0, "")
        overlap |= sequence_order(receipt.first_sequence) <= read_to
        read_to = max(read_to, sequence_order(receipt.last_sequence))
    return Received(sum(each.archived for each in distinct.values()), overlap)


def _row(start: int, places: Places, documents: int, client: OpenSearch, prefix: str) -> Row:
    folder = hour_folder(start)
    received = received_by(map(Receipt.model_validate_json, _lines(places.receipts, folder)))
    return Row(
        hour_name(start),
        received.lines,
        _distinct(_archived_ids(places.archive, folder)),
        documents,
        _distinct(_dead_letter_id(line) for line in _lines(places.dead_letters, folder)),
        _not_indexed(places.backlog, start, client, prefix),
        received.overlap,
    )


def _documents(day: Hours, client: OpenSearch, prefix: str) -> dict[int, int]:
    """Count the documents of a day by the start of their arrival hour."""
    start, *_ = starts = list(day.starts())
    times = {"gte": start, "lt": starts[-1] + HOUR_MS}
    hourly = {"date_histogram": {"field": "arrival_time", "fixed_interval": "1h", "min_doc_count": 1}}
    query = {"size": 0, "query": {"range": {"arrival_time": times}}, "aggs": {"hours": hourly}}
    index = log_index(start, prefix)
    client.indices.refresh(index=index, params={"ignore_unavailable": "true"})
    answer = _search(client, index, query)
    # No index of this day: no aggregation, either.
    buckets = answer.get("aggregations", {}).get("hours", {}).get("buckets", [])
    return {int(bucket["key"]): int(bucket["doc_count"]) for bucket in buckets}


def _not_indexed(backlog: Folder, start: int, client: OpenSearch, prefix: str) -> int:
    """Count the documents of an hour that are in the backlog alone: some were indexed, and the answer came late."""
    waiting = sorted({document_id(line) for line in _lines(backlog, f"{IndexTarget.LOGS}/{hour_folder(start)}")})
    indexed = 0
    for at in range(0, len(waiting), _IDS):
        query = {"size": 0, "track_total_hits": True, "query": {"ids": {"values": waiting[at : at + _IDS]}}}
        indexed += int(_search(client, log_index(start, prefix), query)["hits"]["total"]["value"])
    return len(waiting) - indexed


def _search(client: OpenSearch, index: str, query: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = client.search(index=index, body=query, params={"ignore_unavailable": "true"})
    if answer["timed_out"] or answer["_shards"]["failed"]:
        raise PartialAnswerError(f"OpenSearch did not answer for all of {index}")
    return answer


def _archived_ids(archive: Folder, folder: str) -> Iterator[str]:
    """Yield the id of each line. One that is none of this project's ends as a dead letter of its own."""
    for number, line in enumerate(_lines(archive, folder)):
        try:
            yield document_id(line)
        except ValueError:
            yield f"{folder} {number}"


def _dead_letter_id(line: bytes) -> str:
    identifier = orjson.loads(line)["id"]
    if not isinstance(identifier, str):
        raise TypeError("an id is a text")
    return identifier


def _distinct(ids: Iterable[str]) -> int:
    """Count different ids, by 64 bits of each, in at most 16 bytes of memory an id."""
    hashes = array("Q")
    for id_ in ids:
        hashes.frombytes(hashlib.blake2b(id_.encode(), digest_size=8).digest())
    return len(np.unique(np.frombuffer(hashes, dtype=np.uint64))) if hashes else 0


def _lines(place: Folder, below: str) -> Iterator[bytes]:
    for name in place.names(below):
        try:
            with place.open(name) as stream:
                yield from read_lines(stream)
        except DamagedError as error:
            raise UnreadableError(f"{place.url(name)} cannot be read to its end: {error}") from None
