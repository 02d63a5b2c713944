"""`track`: the incidents of a fingerprint, told of at instants of arrival time."""

from collections.abc import Iterable, Iterator

from pyflink.common import Row
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, TimerService
from pyflink.datastream.state import ValueStateDescriptor

from jobs.log_insight.metrics import INCIDENTS, LATE_GROUPS_UNCOUNTED
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import Settings
from schemas.error_group import ErrorGroup
from schemas.incident import IncidentUpdate
from udfs import track
from udfs.operators.keyed_state import MAX_WATERMARK, safety_net
from udfs.operators.metric_group import open_meters
from udfs.operators.type_info import BYTES, keyed


class TrackFunction(KeyedProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """From `ErrorGroup` by fingerprint to `IncidentUpdate` by service.

    While an incident is open, one event timer waits at the deadline of its state.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, runtime_context: RuntimeContext) -> None:
        """Make the state."""
        descriptor = ValueStateDescriptor("incident", BYTES)
        descriptor.enable_time_to_live(safety_net(self._settings.track))
        self._state = runtime_context.get_state(descriptor)
        self._meters = open_meters(runtime_context, OperatorId.TRACK)
        # How far arrival time came for certain. Only read when a bounded run is over, where a smaller value, as after
        # a restore, means no more than that an incident which is over is not called so.
        self._end = 0

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Add a group to the incident of its fingerprint."""
        group = ErrorGroup.model_validate_json(value.body)
        self._end = max(self._end, group.second)
        before = self._load()
        # What a late group changes is told at an instant that is still to come.
        now = ctx.timer_service().current_watermark() if group.late else group.second * track.MS
        state, passed = track.advance(before, now, self._settings)
        state, updates = track.apply(state, group, self._settings)
        if state is None:
            self._meters.add(LATE_GROUPS_UNCOUNTED)
        self._save(before, state, ctx.timer_service())
        yield from self._rows([*passed, *updates])

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Tell what is due. At the end of a bounded run nothing waits any longer and no timer is set."""
        before = self._load()
        if before is None:
            return
        timers = ctx.timer_service()
        if timers.current_watermark() >= MAX_WATERMARK:
            state, updates = track.close(before, self._end, self._settings)
            self._store(state)
        else:
            state, updates = track.advance(before, timestamp, self._settings)
            self._save(before, state, timers)
        yield from self._rows(updates)

    def _rows(self, updates: Iterable[IncidentUpdate]) -> Iterator[Row]:
        for update in updates:
            self._meters.add(INCIDENTS, event=update.event.value)
            yield keyed(update.incident.service, update)

    def _load(self) -> track.TrackState | None:
        saved = self._state.value()
        return track.TrackState.model_validate_json(saved) if saved else None

    def _store(self, state: track.TrackState | None) -> None:
        if state is None:
            self._state.clear()
        else:
            self._state.update(state.to_bytes())

    def _save(self, before: track.TrackState | None, after: track.TrackState | None, timers: TimerService) -> None:
        self._store(after)
        old = track.next_deadline(before, self._settings) if before else None
        new = track.next_deadline(after, self._settings) if after else None
        if old is not None and old != new:
            timers.delete_event_time_timer(old)
        if new is not None:
            timers.register_event_time_timer(new)
