"""`admit`: groups of a service wait for the end of their arrival second, then new fingerprints are capped."""

from collections.abc import Iterator

from pyflink.common import Row
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

from jobs.log_insight.settings import Settings
from schemas.error_group import ErrorGroup, ServiceSecond
from udfs.admit import AdmitState, admit_late, admit_second
from udfs.operators.keyed_state import WaitingRoom, safety_net
from udfs.operators.type_info import BYTES, keyed

_MS = 1_000


class AdmitFunction(KeyedProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """From `ServiceSecond` by service to `ErrorGroup` by fingerprint."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.track

    def open(self, runtime_context: RuntimeContext) -> None:
        """Make the state."""
        descriptor = ValueStateDescriptor("admit", BYTES)
        descriptor.enable_time_to_live(safety_net(self._settings))
        self._state = runtime_context.get_state(descriptor)
        self._waiting = WaitingRoom(runtime_context)

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> Iterator[Row]:
        """Let the groups wait for the end of their second; if it was handled before, they go on as late."""
        part = ServiceSecond.model_validate_json(value.body)
        end = (part.second + 1) * _MS - 1
        state = self._load()
        if ctx.timer_service().current_watermark() < end and state.passed < part.second:
            self._waiting.put(end, value.body)
            ctx.timer_service().register_event_time_timer(end)
            return
        yield from _rows(admit_late(state, part, self._settings))

    def on_timer(self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext) -> Iterator[Row]:
        """Handle the second that ends at `timestamp`."""
        parts = (ServiceSecond.model_validate_json(body) for body in self._waiting.take(timestamp))
        second = timestamp // _MS
        state, groups = admit_second(self._load(), ctx.get_current_key(), second, parts, self._settings)
        self._state.update(state.to_bytes())
        yield from _rows(groups)

    def _load(self) -> AdmitState:
        saved = self._state.value()
        return AdmitState.model_validate_json(saved) if saved else AdmitState()


def _rows(groups: list[ErrorGroup]) -> Iterator[Row]:
    for group in groups:
        yield keyed(group.fingerprint, group)
