"""The whole way of a batch: decode, parse, validate, redact, fingerprint, combine; and the account of it.

Most records are JSON of level INFO without anything to redact, and their number decides what the job costs. So each
step takes all lines of a frame at once and leaves the exceptions to functions of their own.
"""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from jobs.log_insight.metrics import (
    ARRIVAL_LAG,
    BATCH_BYTES,
    BATCH_RECORDS,
    CACHE_REQUESTS,
    DEAD_LETTERS,
    ENTRIES,
    RECORDS,
)
from jobs.log_insight.settings import Content, IngestSettings, SourceKind, SourceSettings
from schemas.dead_letter import DeadLetter
from schemas.error_group import ServiceSecond
from schemas.log_entry import ERROR_PATH
from schemas.receipt import Receipt
from udfs.account import Ended, HourAccount, chain, nothing
from udfs.archived import read_archived
from udfs.chunk import encode_chunk
from udfs.combine import Combiner
from udfs.decode import refuse_too_many_lines, split_lines, unpack
from udfs.errors import BadInputError, ParseError
from udfs.fingerprint import FingerprintRules, fingerprint
from udfs.frame import Records, read_frame
from udfs.meters import Meters
from udfs.parse import BLOCK, read_entries
from udfs.redact import Redactor
from udfs.validate import Validator

#: Full chunks of one result, bytes. A frame of packed records may hold a thousand times as much.
_MAX_RESULT_BYTES = 8 * 1024 * 1024

_ERROR_PATH = frozenset(severity.value for severity in ERROR_PATH)
_LEAST_WHOLE_NUMBER, _MOST_WHOLE_NUMBER = -(2**63), 2**64 - 1
_ARRIVAL, _SEVERITY = itemgetter("arrival_time"), itemgetter("severity_text")


class IngestResult(NamedTuple):
    """What a frame, or a part of a very large one, becomes.

    Chunks of `LogDocument`, `Receipt` and `DeadLetter` lines, and the error groups.
    """

    archive: list[bytes]
    receipts: list[bytes]
    dead_letters: list[bytes]
    seconds: list[ServiceSecond]


class _Line(NamedTuple):
    """One line, or a whole record that cannot be unpacked."""

    id: str
    sequence: str
    arrival: int
    raw: bytes


class _Block(NamedTuple):
    """Lines as columns: ids, the sequences of their records, arrival times and bytes; and what died on the way."""

    ids: list[str]
    sequences: list[str]
    arrivals: Sequence[int]
    raws: list[bytes]
    dead: Ended

    def bury(self, errors: Sequence[tuple[int, BadInputError]]) -> None:
        """Write dead letters for lines, and take their sequences out, so that those of the other lines are left."""
        for index, error in errors:
            line = _Line(self.ids[index], self.sequences[index], self.arrivals[index], self.raws[index])
            _bury(self.dead, line, error)
        for index, _ in reversed(errors):
            del self.sequences[index]


def _block(lines: list[_Line], dead: Ended) -> _Block:
    return _Block(
        [line.id for line in lines],
        [line.sequence for line in lines],
        [line.arrival for line in lines],
        [line.raw for line in lines],
        dead,
    )


def _are_plain(payloads: list[bytes], max_record_bytes: int) -> bool:
    """Tell whether each record is one line of JSON, as nearly all are where the edge does not aggregate."""
    joined = b"".join(payloads)
    return {payload[:1] for payload in payloads} == {b"{"} and b"\n" not in joined and len(joined) <= max_record_bytes


class Ingest:
    """Processes frames. Holds compiled rules and bounded memories, nothing that has to survive.

    `meters` are those of the operator `ingest`; `clock` gives seconds since the epoch, to count by.
    """

    def __init__(
        self,
        source: SourceSettings,
        settings: IngestSettings,
        redactor: Redactor,
        rules: FingerprintRules,
        *,
        meters: Meters,
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._redactor = redactor
        self._rules = rules
        self._meters = meters
        self._clock = clock
        self._is_live = not source.is_bounded
        self._is_archive = source.content is Content.ARCHIVE
        self._validator = Validator(
            settings,
            redactor,
            rules.version,
            arrival_from_event=source.kind is not SourceKind.KINESIS and not self._is_archive,
        )

    def process(self, frame: bytes) -> Iterator[IngestResult]:
        """Process one frame. Every line of it is archived or dead, exactly once.

        A frame is one result, unless its records unpack to very much: then chunks and error groups are handed on as the
        chunks fill, and the last result has the receipts of the whole frame.

        Raises:
            FrameError: the bytes are no frame, which is a bug of the source.
        """
        origin, after, records = read_frame(frame, BLOCK)
        accounts: dict[int, HourAccount] = {}
        combiner = Combiner()
        # What a block allocates is free for the next one, and still in the processor's cache. A frame at once takes
        # twice as long, most of it in the kernel, which hands out fresh memory for every frame.
        for block in self._blocks(origin, records):
            documents = self._read_archive(block) if self._is_archive else self._read(block)
            self._redact(documents)
            self._fingerprint(documents, combiner)
            _book(accounts, block, documents)
            if sum(account.full_bytes for account in accounts.values()) > _MAX_RESULT_BYTES:
                yield _part(accounts.values(), combiner)
                combiner = Combiner()
        hours = [account for _, account in sorted(accounts.items())]
        receipts = chain(hours, origin, after, self._rules.version)
        self._count(len(frame), receipts)
        yield IngestResult(
            archive=[chunk for account in hours for chunk in account.archive.take_all()],
            receipts=[encode_chunk(receipt.hour, [receipt.to_bytes()]) for receipt in receipts],
            dead_letters=[chunk for account in hours for chunk in account.dead_letters.take_all()],
            seconds=combiner.seconds(),
        )

    def _blocks(self, origin: str, blocks: Iterable[Records]) -> Iterator[_Block]:
        for records in blocks:
            if _are_plain(records.payloads, self._settings.max_record_bytes):
                ids = [f"{origin}:{sequence}:0" for sequence in records.sequences]
                yield _Block(ids, records.sequences, records.arrivals, records.payloads, nothing())
            else:
                yield from self._unpack(origin, records)

    def _unpack(self, origin: str, records: Records) -> Iterator[_Block]:
        lines: list[_Line] = []
        dead = nothing()
        for sequence, arrival, payload in zip(*records, strict=True):
            try:
                text = unpack(payload, self._settings.max_record_bytes)
                refuse_too_many_lines(text, self._settings.max_record_lines)
            except BadInputError as error:
                _bury(dead, _Line(f"{origin}:{sequence}:0", sequence, arrival, payload), error)
                continue
            for number, line in split_lines(text, self._settings.max_line_bytes):
                lines.append(_Line(f"{origin}:{sequence}:{number}", sequence, arrival, line))
                if len(lines) == BLOCK:
                    yield _block(lines, dead)
                    lines, dead = [], nothing()
        yield _block(lines, dead)

    def _read(self, block: _Block) -> list[dict[str, Any]]:
        entries = read_entries(block.raws, self._settings.max_line_bytes)
        document = self._validator.document
        documents = []
        errors = []
        for index, entry in enumerate(entries):
            if isinstance(entry, BadInputError):
                errors.append((index, entry))
            else:
                documents.append(document(block.ids[index], block.arrivals[index], entry))
        block.bury(errors)
        return documents

    def _read_archive(self, block: _Block) -> list[dict[str, Any]]:
        documents = []
        errors = []
        for index, raw in enumerate(block.raws):
            try:
                documents.append(self._read_archived(raw))
            except BadInputError as error:
                errors.append((index, error))
        block.bury(errors)
        return documents

    def _read_archived(self, raw: bytes) -> dict[str, Any]:
        limit = self._settings.max_record_bytes
        if len(raw) > limit:
            raise ParseError("line_too_long", f"the archive line has more than {limit} bytes")
        return read_archived(raw, self._rules.version)

    def _redact(self, documents: Sequence[dict[str, Any]]) -> None:
        for index in self._redactor.suspects([document["body"].encode() for document in documents]):
            documents[index]["body"] = self._redactor.redact(documents[index]["body"])
        detailed = [document for document in documents if "attributes" in document]
        for index in self._redactor.suspect_values([document["attributes"] for document in detailed]):
            detailed[index]["attributes"] = self._redactor.redact_value(detailed[index]["attributes"])

    def _fingerprint(self, documents: Iterable[dict[str, Any]], combiner: Combiner) -> None:
        errors = [document for document in documents if document["severity_text"] in _ERROR_PATH]
        misses = self._rules.misses
        for document in errors:
            found = fingerprint(document["body"], document["service.name"], self._rules)
            document["fingerprint"] = found.value
            document["template"] = found.template
            if found.exception_type is not None:
                document["exception.type"] = found.exception_type
            combiner.add(document, found)
        misses = self._rules.misses - misses
        self._meters.add(CACHE_REQUESTS, misses, cache="fingerprints", result="miss")
        self._meters.add(CACHE_REQUESTS, len(errors) - misses, cache="fingerprints", result="hit")

    def _count(self, size: int, receipts: Sequence[Receipt]) -> None:
        self._meters.observe(BATCH_BYTES, size)
        self._meters.observe(BATCH_RECORDS, sum(receipt.lines for receipt in receipts))
        if self._is_live and receipts:
            lag = self._clock() - max(each.last_arrival for each in receipts) / 1000
            self._meters.observe(ARRIVAL_LAG, max(0.0, lag))  # clocks differ, and a sum that falls looks like a restart
        for receipt in receipts:
            self._meters.add(RECORDS, receipt.archived, outcome="archived")
            self._meters.add(RECORDS, receipt.dead, outcome="dead_letter")
            for severity, count in receipt.severities.items():
                self._meters.add(ENTRIES, count, severity=severity)
            for reason, count in receipt.errors.items():
                self._meters.add(DEAD_LETTERS, count, reason=reason)


def _part(accounts: Iterable[HourAccount], combiner: Combiner) -> IngestResult:
    archive = [chunk for account in accounts for chunk in account.archive.take_full()]
    dead_letters = [chunk for account in accounts for chunk in account.dead_letters.take_full()]
    return IngestResult(archive, [], dead_letters, combiner.seconds())


def to_line(document: Any) -> bytes:
    """Return JSON data as one line of JSON. A whole number beyond 64 bits becomes text."""
    try:
        return orjson.dumps(document)
    except orjson.JSONEncodeError:
        return orjson.dumps(_bounded(document))


def _bounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _bounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_bounded(item) for item in value]
    if isinstance(value, int) and not _LEAST_WHOLE_NUMBER <= value <= _MOST_WHOLE_NUMBER:
        return str(value)
    return value


def _book(accounts: dict[int, HourAccount], block: _Block, documents: list[dict[str, Any]]) -> None:
    archived = Ended(
        block.sequences, list(map(_ARRIVAL, documents)), list(map(_SEVERITY, documents)), list(map(to_line, documents))
    ).by_hour()
    dead = block.dead.by_hour()
    for hour in archived.keys() | dead.keys():
        if hour not in accounts:
            accounts[hour] = HourAccount(hour)
        accounts[hour].book(archived.get(hour, nothing()), dead.get(hour, nothing()))


def _bury(dead: Ended, line: _Line, error: BadInputError) -> None:
    letter = DeadLetter(
        id=line.id,
        arrival_time=line.arrival,
        stage=error.stage,
        error_type=error.error_type,
        reason=error.reason,
        raw=base64.b64encode(line.raw).decode(),
        size=len(line.raw),
    )
    dead.add(line.sequence, line.arrival, f"{error.stage.value}.{error.error_type}", letter.to_bytes())
