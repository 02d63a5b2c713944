"""`index`: chunks and incident documents into OpenSearch, without ever stopping the job.

PyFlink waits for every call of a bundle before it takes the next element, so a call that waits holds up `ingest`, and
with it the alerts. The worst such stall is `index.max_hold_seconds` when OpenSearch goes away or is overrun, then
`PROBE_TIMEOUT_SECONDS` once per `COOL_DOWN_SECONDS` while it is hanging, and nothing while it refuses connections. What
is not accepted in that time goes to the backlog.
"""

import contextlib
import time
from collections.abc import Iterator
from typing import NoReturn

from pyflink.common import Time
from pyflink.datastream import AsyncFunction, OutputTag, ProcessFunction, RuntimeContext

from jobs.log_insight.metrics import BREAKER_OPEN, DEAD_LETTERS, INDEX_DOCUMENTS, INDEX_SECONDS, index_reason
from jobs.log_insight.opensearch import OpenSearchBulkStore
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import IndexSettings, load_secrets
from udfs.breaker import Breaker
from udfs.index import (
    Hold,
    IndexTarget,
    Outcome,
    UnavailableError,
    backlog,
    dead_letters,
    deliver,
    read_batch,
)
from udfs.operators.event_loop import EventLoopThread
from udfs.operators.failure import where
from udfs.operators.metric_group import open_meters
from udfs.operators.type_info import BYTES

__all__ = [
    "CAPACITY",
    "INDEX_BACKLOG",
    "INDEX_DEAD_LETTERS",
    "IndexFunction",
    "IndexTarget",
    "SplitIndexOutcome",
    "flink_timeout",
]

#: Chunks of documents that OpenSearch refused, for the dead-letter sink.
INDEX_DEAD_LETTERS = OutputTag("index-dead-letters", BYTES)
#: Chunks of documents that OpenSearch did not accept in time, for the backlog sink.
INDEX_BACKLOG = OutputTag("index-backlog", BYTES)

#: Requests in flight per subtask. Two keep OpenSearch busy; more would share its time and come closer to their own end.
CAPACITY = 2
COOL_DOWN_SECONDS = 15.0

_OPERATORS = {IndexTarget.LOGS: OperatorId.INDEX_LOGS, IndexTarget.INCIDENTS: OperatorId.INDEX_INCIDENTS}
_DEAD_LETTERS = b"D"
_BACKLOG = b"B"
_FAILURE = b"F"
_FLINK_MARGIN_SECONDS = 10.0


class IndexFailedError(Exception):
    """A bug in the index operator. Carries where it happened and no record."""


def flink_timeout(settings: IndexSettings) -> Time:
    """Return the time-out to give to Flink: beyond every wait in here, so that it never fires while the loop turns."""
    seconds = settings.max_hold_seconds + _FLINK_MARGIN_SECONDS
    return Time.milliseconds(int(seconds * 1000))


class IndexFunction(AsyncFunction):  # type: ignore[misc]  # PyFlink is untyped
    """Index each element; what comes out is an outcome for `SplitIndexOutcome`, or nothing when all went well."""

    def __init__(self, settings: IndexSettings, target: IndexTarget) -> None:
        self._settings = settings
        self._target = target

    def open(self, runtime_context: RuntimeContext) -> None:
        """Start the event loop, make the client on it, and install the index templates if OpenSearch is there.

        A new OpenSearch takes a second or two over its first request, which the first chunk's hold may not have.
        """
        self._meters = open_meters(runtime_context, _OPERATORS[self._target])
        self._hold = Hold(self._settings.max_hold_seconds, self._settings.request_timeout_seconds)
        self._breaker = Breaker(failures=1, cool_down_seconds=COOL_DOWN_SECONDS)
        self._loop = EventLoopThread("index-loop")
        self._store = OpenSearchBulkStore(self._settings, load_secrets())
        with contextlib.suppress(UnavailableError):
            self._loop.run(self._store.prepare())

    def close(self) -> None:
        """Close the client and its event loop."""
        self._loop.run(self._store.aclose())
        self._loop.stop()

    async def async_invoke(self, value: bytes) -> list[bytes]:
        """Index an element.

        It never raises, for Flink's own error would print the whole element: a bug travels to `SplitIndexOutcome`.
        """
        try:
            return await self._loop.awaitable(self._index(bytes(value)))
        except Exception as error:  # noqa: BLE001 - raised again by SplitIndexOutcome, without the record
            return [_FAILURE + where(error).encode()]

    def timeout(self, value: bytes) -> list[bytes]:
        """Fail: the event loop stands still."""
        del value
        return [_FAILURE + b"no answer within Flink's time-out"]

    async def _index(self, element: bytes) -> list[bytes]:
        batch = read_batch(self._target, element, self._settings.prefix)
        started = time.monotonic()
        outcome = await deliver(batch, self._store, self._breaker, self._hold)
        if outcome.tried:
            self._meters.observe(INDEX_SECONDS, time.monotonic() - started)
        self._count(outcome)
        results = []
        if outcome.rejected:
            results.append(_DEAD_LETTERS + dead_letters(self._target, batch, outcome.rejected))
        if outcome.missing:
            results.append(_BACKLOG + backlog(batch, outcome.missing))
        return results

    def _count(self, outcome: Outcome) -> None:
        self._meters.add(INDEX_DOCUMENTS, outcome.accepted, outcome="indexed")
        self._meters.add(INDEX_DOCUMENTS, len(outcome.rejected), outcome="refused")
        self._meters.add(INDEX_DOCUMENTS, len(outcome.missing), outcome="backlog")
        for rejection in outcome.rejected:
            self._meters.add(DEAD_LETTERS, reason=index_reason(rejection.error_type))
        self._meters.set(BREAKER_OPEN, self._breaker.is_open, dependency="opensearch")


class SplitIndexOutcome(ProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """Send what `IndexFunction` could not index to `INDEX_DEAD_LETTERS` and `INDEX_BACKLOG`; no main output."""

    def process_element(self, value: bytes, ctx: ProcessFunction.Context) -> Iterator[tuple[OutputTag, bytes]]:
        """Route one outcome."""
        del ctx
        kind, chunk = bytes(value[:1]), bytes(value[1:])
        if kind == _DEAD_LETTERS:
            yield INDEX_DEAD_LETTERS, chunk
        elif kind == _BACKLOG:
            yield INDEX_BACKLOG, chunk
        else:
            _fail(chunk)


def _fail(description: bytes) -> NoReturn:
    raise IndexFailedError(description.decode())
