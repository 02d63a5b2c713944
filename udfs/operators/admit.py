"""`admit`: groups of a service wait for the end of their arrival second, then new fingerprints are capped."""

from collections.abc import Iterator

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

from jobs.log_insight.metrics import ERROR_GROUPS
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import Settings
from schemas.error_group import ErrorGroup, ServiceSecond, arrival_second
from udfs.admit import AdmitState, admit_late, admit_second, settles_at
from udfs.operators.keyed_state import WaitingRoom, safety_net
from udfs.operators.metric_group import open_meters
from udfs.operators.type_info import BYTES, keyed


class AdmitFunction(KeyedProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """From `ServiceSecond` by service to `ErrorGroup` by fingerprint."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.track

    def open(self, runtime_context: RuntimeContext) -> None:
        """Make the state."""
        descriptor = ValueStateDescriptor("admit", BYTES)
        descriptor.enable_time_to_live(safety_net(self._settings))
        self._state = runtime_context.get_state(descriptor)
        descriptor = ValueStateDescriptor("passed", Types.LONG())
        descriptor.enable_time_to_live(safety_net(self._settings))
        self._passed = runtime_context.get_state(descriptor)
        self._waiting = WaitingRoom(runtime_context)
        self._meters = open_meters(runtime_context, OperatorId.ADMIT)

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Let the groups wait for the end of their second; if it was handled before, they go on as late."""
        end = settles_at(arrival_second(value.body))
        if self._has_passed(end, ctx.timer_service().current_watermark()):
            part = ServiceSecond.model_validate_json(value.body)
            yield from self._rows(admit_late(self._load(), part, self._settings))
            return
        self._waiting.put(end, value.body)
        ctx.timer_service().register_event_time_timer(end)

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Handle the second that ends at `timestamp`."""
        parts = (ServiceSecond.model_validate_json(body) for body in self._waiting.take(timestamp))
        second = timestamp // 1_000
        state, groups = admit_second(self._load(), ctx.get_current_key(), second, parts, self._settings)
        self._state.update(state.to_bytes())
        self._passed.update(timestamp)
        yield from self._rows(groups)

    def _rows(self, groups: list[ErrorGroup]) -> Iterator[Row]:
        for group in groups:
            outcome = "late" if group.late else "overflow" if group.overflow else "admitted"
            self._meters.add(ERROR_GROUPS, outcome=outcome)
            yield keyed(group.fingerprint, group)

    def _has_passed(self, end: int, watermark: int) -> bool:
        """Say whether a second was handled or can no longer be waited for."""
        # After a restore the watermark starts anew, so it alone does not tell.
        return end <= max(watermark, self._passed.value() or 0)

    def _load(self) -> AdmitState:
        saved = self._state.value()
        return AdmitState.model_validate_json(saved) if saved else AdmitState()
