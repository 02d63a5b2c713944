"""The whole way of a batch: decode, parse, validate, redact, fingerprint, combine; and the account of it.

Most records are JSON of level INFO without anything to redact, and their number decides what the job costs. So each
step takes all lines of a frame at once and leaves the exceptions to functions of their own.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import orjson

from jobs.log_insight.settings import Content, IngestSettings, SourceKind, SourceSettings
from schemas.dead_letter import DeadLetter
from schemas.error_group import ServiceSecond
from schemas.log_entry import ERROR_PATH, LogEntry, Severity
from schemas.receipt import Receipt
from udfs.archived import read_archived
from udfs.chunk import HOUR_MS, encode_chunk
from udfs.combine import ErrorRecord, combine
from udfs.decode import split_lines, unpack
from udfs.errors import BadInputError, ParseError
from udfs.fingerprint import FingerprintRules, fingerprint
from udfs.frame import RecordBatch, decode_frame
from udfs.parse import read_entries
from udfs.redact import Redactor
from udfs.validate import Validator

#: A chunk's lines at most, bytes; a single longer line is a chunk of its own.
MAX_CHUNK_BYTES = 2 * 1024 * 1024

_ERROR_PATH = {severity.value: severity for severity in ERROR_PATH}
_LEAST_WHOLE_NUMBER, _MOST_WHOLE_NUMBER = -(2**63), 2**64 - 1


class IngestResult(NamedTuple):
    """What a frame becomes: chunks of `LogDocument`, `Receipt` and `DeadLetter` lines, and the error groups."""

    archive: list[bytes]
    receipts: list[bytes]
    dead_letters: list[bytes]
    seconds: list[ServiceSecond]


class _Lines(NamedTuple):
    """The lines of a frame, as columns."""

    ids: list[str]
    sequences: list[str]
    arrivals: list[int]
    raws: list[bytes]

    def add(self, record_id: str, sequence: str, arrival: int, raw: bytes) -> None:
        self.ids.append(record_id)
        self.sequences.append(sequence)
        self.arrivals.append(arrival)
        self.raws.append(raw)


class _Ended(NamedTuple):
    """How the lines of one frame ended: as documents and as dead letters, each with the sequence of its record."""

    documents: list[dict[str, Any]]
    document_sequences: list[str]
    dead: list[DeadLetter]
    dead_sequences: list[str]

    def bury(self, record_id: str, sequence: str, arrival: int, raw: bytes, error: BadInputError) -> None:
        letter = DeadLetter(
            id=record_id,
            arrival_time=arrival,
            stage=error.stage,
            error_type=error.error_type,
            reason=error.reason,
            raw=base64.b64encode(raw).decode(),
            size=len(raw),
        )
        self.dead.append(letter)
        self.dead_sequences.append(sequence)


class Ingest:
    """Processes frames. Holds compiled rules and bounded memories, nothing that has to survive."""

    def __init__(
        self, source: SourceSettings, settings: IngestSettings, redactor: Redactor, rules: FingerprintRules
    ) -> None:
        self._settings = settings
        self._redactor = redactor
        self._rules = rules
        self._is_archive = source.content is Content.ARCHIVE
        self._validator = Validator(
            settings, rules.version, arrival_from_event=source.kind is not SourceKind.KINESIS and not self._is_archive
        )

    def process(self, frame: bytes) -> IngestResult:
        """Process one frame. Every line of it is archived or dead, exactly once.

        Raises:
            FrameError: the bytes are no frame, which is a bug of the source.
        """
        batch = decode_frame(frame)
        ended = _Ended([], [], [], [])
        lines = self._split(batch, ended)
        if self._is_archive:
            self._read_archive(lines, ended)
        else:
            self._read(lines, ended)
        self._redact(ended.documents)
        seconds = combine(self._error_records(ended.documents))
        return IngestResult(
            archive=_chunks((document["arrival_time"], to_line(document)) for document in ended.documents),
            receipts=_chunks((receipt.hour, receipt.to_bytes()) for receipt in self._receipts(batch.origin, ended)),
            dead_letters=_chunks((letter.arrival_time, letter.to_bytes()) for letter in ended.dead),
            seconds=seconds,
        )

    def _split(self, batch: RecordBatch, ended: _Ended) -> _Lines:
        lines = _Lines([], [], [], [])
        limit = self._settings.max_record_bytes
        for sequence, arrival, payload in batch.records:
            record_id = f"{batch.origin}:{sequence}:"
            if payload[:1] == b"{" and b"\n" not in payload and len(payload) <= limit:
                lines.add(record_id + "0", sequence, arrival, payload)
                continue
            try:
                for number, line in split_lines(unpack(payload, limit)):
                    lines.add(f"{record_id}{number}", sequence, arrival, line)
            except BadInputError as error:
                ended.bury(record_id + "0", sequence, arrival, payload, error)
        return lines

    def _read(self, lines: _Lines, ended: _Ended) -> None:
        entries = read_entries(lines.raws, self._settings.max_line_bytes)
        document = self._validator.document
        for record_id, sequence, arrival, raw, entry in zip(*lines[:4], entries, strict=True):
            if isinstance(entry, LogEntry):
                ended.documents.append(document(record_id, arrival, entry))
                ended.document_sequences.append(sequence)
            else:
                ended.bury(record_id, sequence, arrival, raw, entry)

    def _read_archive(self, lines: _Lines, ended: _Ended) -> None:
        for record_id, sequence, arrival, raw in zip(*lines, strict=True):
            try:
                if len(raw) > self._settings.max_record_bytes:
                    raise ParseError("line_too_long", f"the line has more than {self._settings.max_record_bytes} bytes")
                ended.documents.append(read_archived(raw, self._rules.version))
                ended.document_sequences.append(sequence)
            except BadInputError as error:
                ended.bury(record_id, sequence, arrival, raw, error)

    def _redact(self, documents: Sequence[dict[str, Any]]) -> None:
        bodies = [document["body"].encode() for document in documents]
        for index in self._redactor.suspects(bodies):
            documents[index]["body"] = self._redactor.redact(documents[index]["body"])
        for document in documents:
            if "attributes" in document:
                document["attributes"] = self._redactor.redact_value(document["attributes"])

    def _error_records(self, documents: Iterable[dict[str, Any]]) -> Iterator[ErrorRecord]:
        """Yield the records of the error path, and write their fingerprints into their documents."""
        for document in documents:
            severity = _ERROR_PATH.get(document["severity_text"])
            if severity is not None:
                yield self._error_record(document, severity)

    def _error_record(self, document: dict[str, Any], severity: Severity) -> ErrorRecord:
        found = fingerprint(document["body"], document["service.name"], self._rules)
        document["fingerprint"] = found.value
        document["template"] = found.template
        if found.exception_type is not None:
            document["exception.type"] = found.exception_type
        return ErrorRecord(
            id=document["id"],
            arrival_time=document["arrival_time"],
            timestamp=document["@timestamp"],
            severity=severity,
            service=document["service.name"],
            content=document["body"],
            pod=document.get("k8s.pod.name"),
            trace_id=document.get("trace_id"),
            fingerprint=found,
        )

    def _receipts(self, origin: str, ended: _Ended) -> Iterator[Receipt]:
        documents = _by_hour(
            (document["arrival_time"], (document, sequence))
            for document, sequence in zip(ended.documents, ended.document_sequences, strict=True)
        )
        dead = _by_hour(
            (letter.arrival_time, (letter, sequence))
            for letter, sequence in zip(ended.dead, ended.dead_sequences, strict=True)
        )
        for hour in sorted(documents.keys() | dead.keys()):
            yield self._receipt(origin, hour, documents.get(hour, []), dead.get(hour, []))

    def _receipt(
        self,
        origin: str,
        hour: int,
        documents: list[tuple[dict[str, Any], str]],
        dead: list[tuple[DeadLetter, str]],
    ) -> Receipt:
        sequences = {sequence for _, sequence in chain(documents, dead)}
        arrivals = [document["arrival_time"] for document, _ in documents] + [letter.arrival_time for letter, _ in dead]
        return Receipt(
            origin=origin,
            hour=hour,
            first_sequence=min(sequences, key=_sequence_order),
            last_sequence=max(sequences, key=_sequence_order),
            first_arrival=min(arrivals),
            last_arrival=max(arrivals),
            records=len(sequences),
            lines=len(arrivals),
            archived=len(documents),
            dead=len(dead),
            severities=dict(Counter(document["severity_text"] for document, _ in documents)),
            errors=dict(Counter(f"{letter.stage.value}.{letter.error_type}" for letter, _ in dead)),
            rules_version=self._rules.version,
        )


def to_line(document: dict[str, Any]) -> bytes:
    """Return a document as one line of JSON. A whole number beyond 64 bits becomes text."""
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


def _sequence_order(sequence: str) -> tuple[int, str]:
    """Sort numbers of different length, which sequence numbers and offsets are, without reading them."""
    return len(sequence), sequence


def _by_hour(timed: Iterable[tuple[int, Any]]) -> dict[int, list[Any]]:
    hours: dict[int, list[Any]] = {}
    for arrival, item in timed:
        hours.setdefault(arrival - arrival % HOUR_MS, []).append(item)
    return hours


def _chunks(timed_lines: Iterable[tuple[int, bytes]]) -> list[bytes]:
    return [
        encode_chunk(hour, lines)
        for hour, all_lines in _by_hour(timed_lines).items()
        for lines in _bounded_batches(all_lines)
    ]


def _bounded_batches(lines: list[bytes]) -> Iterator[list[bytes]]:
    start = size = 0
    for index, line in enumerate(lines):
        if size + len(line) > MAX_CHUNK_BYTES and index > start:
            yield lines[start:index]
            start, size = index, 0
        size += len(line) + 1
    yield lines[start:]
