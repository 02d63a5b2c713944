"""`analyze`: requests in, analyses out, beside the way of the alerts.

PyFlink hands the results of a bundle on when all of its calls are done, so an analysis may come as late as the slowest
of its bundle: at most `analyze.timeout_seconds`. Nothing waits for it: `notify` sends the alert without, and the
analysis as an update.

Each call is bounded by `asyncio.timeout` inside `udfs.analyze.analyze`. Flink's own time-out lies beyond; it does not
end a coroutine. It can only fire when the event loop of this operator stands still: the request is then answered with
an analysis that says so, and what the coroutine may still return is dropped.
"""

from pyflink.common import Row, Time
from pyflink.datastream import AsyncFunction, RuntimeContext

from jobs.log_insight.metrics import ANALYSES, ANALYSIS_SECONDS
from jobs.log_insight.operator_ids import OperatorId
from jobs.log_insight.settings import AnalyzeSettings, Settings, load_secrets
from schemas.analysis import Analysis, AnalysisRequest, AnalysisStatus
from udfs.analyze.analyze import analyze, make_analyst, make_retriever, unavailable
from udfs.operators.event_loop import EventLoopThread
from udfs.operators.failure import where
from udfs.operators.metric_group import open_meters
from udfs.operators.type_info import keyed

#: Analyses in flight per subtask; `gate.analyses_per_hour` keeps their number small.
CAPACITY = 16
_FLINK_MARGIN_SECONDS = 10.0


def flink_timeout(settings: AnalyzeSettings) -> Time:
    """Return the time-out to give to Flink: beyond every wait in here."""
    return Time.milliseconds(int((settings.timeout_seconds + _FLINK_MARGIN_SECONDS) * 1000))


class AnalyzeFailedError(Exception):
    """A bug in the analyze operator. Carries where it happened and no record."""


class AnalyzeFunction(AsyncFunction):  # type: ignore[misc]  # PyFlink is untyped
    """`KEYED` `AnalysisRequest` in, one `KEYED` `Analysis` with the same key (the channel) out."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, runtime_context: RuntimeContext) -> None:
        """Read the secrets, load the embedding and make the clients.

        Raises:
            SettingsError: a secret is wrong.
            EmbeddingError: the embedding cannot be loaded.
        """
        secrets = load_secrets()
        self._meters = open_meters(runtime_context, OperatorId.ANALYZE)
        self._retriever = make_retriever(self._settings, secrets, self._meters)
        self._analyst = make_analyst(self._settings, secrets, self._meters)
        self._loop = EventLoopThread("analyze-loop")

    def close(self) -> None:
        """Close the clients and the loop they live on."""
        self._loop.run(self._retriever.aclose())
        self._loop.run(self._analyst.aclose())
        self._loop.stop()

    async def async_invoke(self, value: Row) -> list[Row]:
        """Analyse one incident. What is expected to fail does not raise; a bug fails the task."""
        try:
            return [_row(await self._loop.awaitable(self._analyze(value.body)))]
        except Exception as error:  # noqa: BLE001 - raised again without the record
            # Flink puts the element's text into the error's, and messages quote what they choke on: neither may reach
            # logs or the web UI.
            value["body"] = b""
            raise AnalyzeFailedError(where(error)) from None

    def timeout(self, value: Row) -> list[Row]:
        """Answer in place of a call whose event loop stands still. Runs in a timer's thread."""
        request = AnalysisRequest.model_validate_json(value.body)
        self._meters.add(ANALYSES, status=AnalysisStatus.UNAVAILABLE.value)
        return [_row(unavailable(request, self._analyst.name, "the analysis operator stands still"))]

    async def _analyze(self, body: bytes) -> Analysis:
        request = AnalysisRequest.model_validate_json(body)
        with self._meters.timed(ANALYSIS_SECONDS):
            analysis = await analyze(request, self._retriever, self._analyst, self._settings.analyze, self._meters)
        is_fallback = analysis.status is AnalysisStatus.GROUNDED and analysis.reason is not None
        self._meters.add(ANALYSES, status="fallback" if is_fallback else analysis.status.value)
        return analysis


def _row(analysis: Analysis) -> Row:
    return keyed(analysis.channel, analysis)
