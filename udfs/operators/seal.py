"""`seal`: a marker for each arrival hour that is over."""

from collections.abc import Iterable, Iterator

from pyflink.common import Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, TimerService
from pyflink.datastream.state import ValueStateDescriptor

from jobs.log_insight.metrics import HOUR_MARKERS
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import Settings, SourceKind
from schemas.hour_marker import HourMarker
from schemas.receipt import Receipt
from udfs.chunk import chunk_lines, encode_chunk
from udfs.operators.keyed_state import MAX_WATERMARK, ModelMap, time_to_live
from udfs.operators.metric_group import open_meters
from udfs.operators.type_info import BYTES
from udfs.seal import FILE_SILENCE_MS, SHARD_SILENCE_MS, OriginSums, Reached, Seal, SealClock, SealMaps


def all_hours(chunk: bytes) -> str:
    """Return the one key of all receipts: an hour is over when it is for all shards."""
    del chunk
    return "hours"


class SealFunction(KeyedProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """From chunks of `Receipt` lines, all of one key, to chunks of `HourMarker` lines.

    One event timer waits at the end of the first hour that is not marked. It is set with every receipt, because a
    snapshot may lack it: a checkpoint that PyFlink took in the moment it fired (`streams.stream_graph`), or a savepoint
    of a live job stopped with drain, where it fires at a watermark that says nothing of time.
    """

    def __init__(self, settings: Settings) -> None:
        self._is_bounded = settings.source.is_bounded
        self._silence_ms = SHARD_SILENCE_MS if settings.source.kind is SourceKind.KINESIS else FILE_SILENCE_MS

    def open(self, runtime_context: RuntimeContext) -> None:
        """Make the state."""
        ttl = time_to_live(SHARD_SILENCE_MS // 1_000)
        descriptor = ValueStateDescriptor("clock", BYTES)
        descriptor.enable_time_to_live(ttl)
        self._clock = runtime_context.get_state(descriptor)
        self._maps = SealMaps(
            ModelMap(runtime_context, "sums", Types.STRING(), OriginSums, ttl),
            ModelMap(runtime_context, "reached", Types.STRING(), Reached, ttl),
            ModelMap(runtime_context, "marked", Types.LONG(), HourMarker, ttl),
        )
        self._meters = open_meters(runtime_context, OperatorId.SEAL)

    def process_element(self, value: bytes, ctx: KeyedProcessFunction.Context) -> Iterator[bytes]:
        """Add receipts, and mark what is over by then."""
        seal = self._load()
        markers = []
        for line in chunk_lines(value):
            receipt = Receipt.model_validate_json(line)
            if seal.is_forgotten(receipt):
                self._meters.add(HOUR_MARKERS, event="missed")
            markers += seal.apply(receipt)
        timers = ctx.timer_service()
        markers += seal.advance(timers.current_watermark())
        self._save(seal, timers)
        yield from self._chunks(markers)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[bytes]:
        """Mark the hours that are over. The end of a live job ends no hour, that of a bounded run all, for good."""
        del timestamp
        seal = self._load()
        timers = ctx.timer_service()
        if timers.current_watermark() < MAX_WATERMARK:
            markers = seal.advance(timers.current_watermark())
            self._save(seal, timers)
        elif self._is_bounded:
            markers = seal.close()
            self._store(seal)
        else:
            markers = []
        yield from self._chunks(markers)

    def _chunks(self, markers: Iterable[HourMarker]) -> Iterator[bytes]:
        for marker in markers:
            self._meters.add(HOUR_MARKERS, event="revised" if marker.revision else "marked")
            yield encode_chunk(marker.hour, [marker.to_bytes()])

    def _load(self) -> Seal:
        saved = self._clock.value()
        return Seal(SealClock.model_validate_json(saved) if saved else None, self._maps, self._silence_ms)

    def _store(self, seal: Seal) -> None:
        if seal.clock is not None:
            self._clock.update(seal.clock.to_bytes())

    def _save(self, seal: Seal, timers: TimerService) -> None:
        self._store(seal)
        if seal.next_deadline is not None:
            timers.register_event_time_timer(seal.next_deadline)
