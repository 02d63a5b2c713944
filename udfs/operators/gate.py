"""`gate`: which updates become alerts and analyses, and where they go."""

from collections.abc import Iterator

from pyflink.common import Row
from pyflink.datastream import KeyedProcessFunction, OutputTag, RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

from jobs.log_insight.metrics import ALERTS, ANALYSES_ASKED
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import Settings
from schemas.incident import IncidentUpdate
from udfs.gate import Decisions, GateState, decisions, next_deadline, settle, settles_at
from udfs.operators.keyed_state import WaitingRoom, safety_net
from udfs.operators.metric_group import open_meters
from udfs.operators.type_info import BYTES, KEYED, keyed

#: `AnalysisRequest` by channel.
ANALYSIS_REQUESTS = OutputTag("analysis-requests", KEYED)


class GateFunction(KeyedProcessFunction):  # type: ignore[misc]  # PyFlink is untyped
    """From `IncidentUpdate` by service to `Routed` by channel, and `AnalysisRequest` by channel as side output."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, runtime_context: RuntimeContext) -> None:
        """Make the state."""
        descriptor = ValueStateDescriptor("gate", BYTES)
        descriptor.enable_time_to_live(safety_net(self._settings.track))
        self._state = runtime_context.get_state(descriptor)
        self._waiting = WaitingRoom(runtime_context)
        self._meters = open_meters(runtime_context, OperatorId.GATE)

    def process_element(self, value: Row, ctx: KeyedProcessFunction.Context) -> None:
        """Let an update wait for its instant; if that has passed, the next watermark calls."""
        instant = settles_at(IncidentUpdate.model_validate_json(value.body))
        self._waiting.put(instant, value.body)
        ctx.timer_service().register_event_time_timer(instant)

    def on_timer(
        self, timestamp: int, ctx: KeyedProcessFunction.OnTimerContext
    ) -> Iterator[Row | tuple[OutputTag, Row]]:
        """Decide on what settled at `timestamp`.

        The timer of a roll-up may be registered at the end of a bounded run too: it tells of what is untold, once.
        """
        updates = [IncidentUpdate.model_validate_json(body) for body in self._waiting.take(timestamp)]
        step = settle(self._load(), updates, timestamp, self._settings)
        self._count(decisions(updates, step))
        self._state.update(step.state.to_bytes())
        deadline = next_deadline(step.state)
        if deadline is not None:
            ctx.timer_service().register_event_time_timer(deadline)
        for request in step.requests:
            yield ANALYSIS_REQUESTS, keyed(request.channel, request)
        for row in step.routed:
            yield keyed(row.channel, row)

    def _count(self, decided: Decisions) -> None:
        self._meters.add(ALERTS, decided.throttled, result="throttled")
        self._meters.add(ANALYSES_ASKED, decided.asked, result="asked")
        self._meters.add(ANALYSES_ASKED, decided.over_budget, result="over_budget")
        self._meters.add(ANALYSES_ASKED, decided.storm, result="storm")

    def _load(self) -> GateState:
        saved = self._state.value()
        return GateState.model_validate_json(saved) if saved else GateState()
