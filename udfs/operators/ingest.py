"""Flink glue of `udfs.ingest`."""

import time
from collections.abc import Iterator

from pyflink.common import Row
from pyflink.datastream import OutputTag, ProcessFunction, RuntimeContext

from jobs.log_insight.metrics import INGEST_SECONDS
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import Settings
from udfs.fingerprint import load_fingerprint_rules
from udfs.ingest import Ingest
from udfs.operators.metric_group import open_meters
from udfs.operators.type_info import BYTES, keyed
from udfs.redact import Redactor, load_redact_rules
from udfs.worker import settle_garbage

#: Chunks of `LogDocument` lines, for the archive and for `index`.
ARCHIVE = OutputTag("archive", BYTES)

#: Chunks of `Receipt` lines.
RECEIPTS = OutputTag("receipts", BYTES)

#: Chunks of `DeadLetter` lines.
DEAD_LETTERS = OutputTag("dead_letters", BYTES)


class IngestFunction(ProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """From frames to `KEYED` rows of `ServiceSecond`, key: service, and chunks for the three side outputs."""

    _ingest: Ingest

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, runtime_context: RuntimeContext) -> None:
        """Compile the rules."""
        self._meters = open_meters(runtime_context, OperatorId.INGEST)
        self._ingest = Ingest(
            self._settings.source,
            self._settings.ingest,
            Redactor(load_redact_rules()),
            load_fingerprint_rules(self._settings.ingest.grouping_rules),
            meters=self._meters,
            clock=time.time,
        )
        settle_garbage()

    def process_element(self, value: bytes, ctx: ProcessFunction.Context) -> Iterator[Row | tuple[OutputTag, bytes]]:
        """Process one frame."""
        del ctx
        with self._meters.timed(INGEST_SECONDS):
            yield from self._results(value)

    def _results(self, frame: bytes) -> Iterator[Row | tuple[OutputTag, bytes]]:
        for result in self._ingest.process(frame):
            for tag, chunks in (
                (ARCHIVE, result.archive),
                (RECEIPTS, result.receipts),
                (DEAD_LETTERS, result.dead_letters),
            ):
                for chunk in chunks:
                    yield tag, chunk
            for second in result.seconds:
                yield keyed(second.service, second)
