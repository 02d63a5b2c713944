"""The registry: every metric of the job.

What is not in here is not counted: `udfs.meters` raises for it, also for a label or a value of a label that is not
listed. So the number of series is known before the job runs, whatever the logs say.

Names and units follow Prometheus: base units, `_total` for what only grows, `_bucket`, `_sum` and `_count` of a
histogram. Flink hands whole numbers on only, so a `_sum` in seconds is rounded down, and money is counted in
millionths of a dollar.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import product
from typing import NamedTuple

from jobs.log_insight.operator_ids import OperatorId
from schemas.alert import AlertKind
from schemas.analysis import AnalysisStatus
from schemas.incident import IncidentEvent
from schemas.log_entry import Severity

Labels = tuple[tuple[str, str], ...]

#: Of a label whose values come from another system: all that is not listed.
OTHER = "other"

#: Upper bounds of buckets, seconds: of work, of calls to others, and of how late something is.
_WORK = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_CALL = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
_LAG = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0)
_RECORDS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
_BYTES = (1e3, 1e4, 1e5, 1e6, 1e7)


class MetricKind(StrEnum):
    """As Prometheus has them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Place(NamedTuple):
    """An operator that counts a metric, with all values of each label there."""

    operator: OperatorId
    labels: Mapping[str, tuple[str, ...]]


class Metric(NamedTuple):
    """A metric. Its places have the same labels; `buckets` are the upper bounds of a histogram, ascending."""

    name: str
    kind: MetricKind
    help: str
    places: tuple[Place, ...]
    buckets: tuple[float, ...] = ()

    def label_values(self, operator: OperatorId) -> list[Labels]:
        """Return every combination of label values at an operator, none where the metric is not counted there."""
        return [
            tuple(zip(place.labels, values, strict=True))
            for place in self.places
            if place.operator is operator
            for values in product(*place.labels.values())
        ]

    def sample_names(self) -> tuple[str, ...]:
        """Return the names under which it is scraped."""
        if self.kind is MetricKind.HISTOGRAM:
            return tuple(f"{self.name}_{part}" for part in ("bucket", "sum", "count"))
        return (self.name,)


def _at(operator: OperatorId, **labels: Iterable[str]) -> Place:
    return Place(operator, {name: tuple(values) for name, values in labels.items()})


def _counter(name: str, help: str, *places: Place) -> Metric:  # noqa: A002 - Prometheus' word
    return Metric(name, MetricKind.COUNTER, help, places)


def _gauge(name: str, help: str, *places: Place) -> Metric:  # noqa: A002 - Prometheus' word
    return Metric(name, MetricKind.GAUGE, help, places)


def _histogram(name: str, help: str, buckets: tuple[float, ...], *places: Place) -> Metric:  # noqa: A002 - as above
    return Metric(name, MetricKind.HISTOGRAM, help, places, buckets)


#: Why a record or a line has no reading: stage and error type of a dead letter.
_UNREADABLE = (
    "decode.empty_record",
    "decode.record_too_large",
    "decode.too_many_lines",
    *(
        f"decode.{problem}_{packing}"
        for problem in ("broken", "cut_short", "trailing_garbage")
        for packing in ("gzip", "zstd")
    ),
    "parse.invalid_json",
    "parse.invalid_utf8",
    "parse.line_too_long",
    "parse.nested_too_deep",
    "parse.no_reading",
    "parse.not_an_object",
    "parse.nul_byte",
    "validate.missing_field",
    "validate.not_a_document",
    "validate.wrong_type",
)
#: Why OpenSearch refuses a document: its error types.
_REFUSED = (
    "index.strict_dynamic_mapping_exception",
    "index.mapper_parsing_exception",
    "index.illegal_argument_exception",
    f"index.{OTHER}",
)
_SEVERITIES = tuple(severity.value for severity in Severity)
_ALERT_KINDS = tuple(kind.value for kind in AlertKind)

RECORDS = _counter(
    "cali_records_total",
    "Lines of the stream by what became of them. A record that cannot be unpacked is one line.",
    _at(OperatorId.INGEST, outcome=("archived", "dead_letter")),
)
ENTRIES = _counter("cali_entries_total", "Validated entries by severity.", _at(OperatorId.INGEST, severity=_SEVERITIES))
DEAD_LETTERS = _counter(
    "cali_dead_letters_total",
    "Dead letters by stage and error type.",
    _at(OperatorId.INGEST, reason=_UNREADABLE),
    _at(OperatorId.INDEX_LOGS, reason=_REFUSED),
    _at(OperatorId.INDEX_INCIDENTS, reason=_REFUSED),
)
BATCH_RECORDS = _histogram("cali_batch_records", "Lines of a batch.", _RECORDS, _at(OperatorId.INGEST))
BATCH_BYTES = _histogram("cali_batch_bytes", "Bytes of a batch.", _BYTES, _at(OperatorId.INGEST))
ARRIVAL_LAG = _histogram(
    "cali_arrival_lag_seconds",
    "From the arrival of a batch's newest record in the stream until the batch is read.",
    _LAG,
    _at(OperatorId.INGEST),
)
INGEST_SECONDS = _histogram(
    "cali_ingest_seconds", "From decoding one batch to handing its results on.", _WORK, _at(OperatorId.INGEST)
)
HOUR_MARKERS = _counter(
    "cali_hour_markers_total",
    "Markers of arrival hours that are over: the first of an hour, revised for a late receipt, or missed by a receipt"
    " that came when its hour was no longer remembered.",
    _at(OperatorId.SEAL, event=("marked", "revised", "missed")),
)
CACHE_REQUESTS = _counter(
    "cali_cache_requests_total",
    "Look-ups in a cache by result: fingerprints of known errors, prepared documents of the knowledge base.",
    _at(OperatorId.INGEST, cache=("fingerprints",), result=("hit", "miss")),
    _at(OperatorId.ANALYZE, cache=("documents",), result=("hit", "miss")),
)
ERROR_GROUPS = _counter(
    "cali_error_groups_total",
    "Error groups of an arrival second: of a known or new fingerprint, of all that is over the cap, or too late.",
    _at(OperatorId.ADMIT, outcome=("admitted", "overflow", "late")),
)
INCIDENTS = _counter(
    "cali_incidents_total",
    "What incidents went through. How many are open says OpenSearch: counters begin anew with a worker.",
    _at(OperatorId.TRACK, event=tuple(event.value for event in IncidentEvent)),
)
LATE_GROUPS_UNCOUNTED = _counter(
    "cali_late_groups_uncounted_total",
    "Error groups that came too late for an incident of theirs.",
    _at(OperatorId.TRACK),
)
ALERTS = _counter(
    "cali_alerts_total",
    "Alerts by what became of them: throttled is told of by a roll-up or a later update instead, silenced is not told"
    " because posting is switched off, already_told was found in the ledger, rejected was refused by Slack for good.",
    _at(OperatorId.GATE, result=("throttled",)),
    _at(OperatorId.NOTIFY, result=("posted", "throttled", "silenced", "already_told", "rejected")),
)
ALERTS_POSTED = _counter(
    "cali_alerts_posted_total", "Alerts that Slack took, by kind.", _at(OperatorId.NOTIFY, kind=_ALERT_KINDS)
)
ANALYSES_ASKED = _counter(
    "cali_analyses_asked_total",
    "New incidents by whether an analysis was asked for.",
    _at(OperatorId.GATE, result=("asked", "over_budget", "storm")),
)
POSTS = _counter(
    "cali_posts_total",
    "Attempts to post to Slack by Slack's answer.",
    _at(OperatorId.NOTIFY, outcome=("sent", "rate_limited", "failed", "rejected", "unknown")),
)
POST_SECONDS = _histogram("cali_post_seconds", "One attempt to post to Slack.", _CALL, _at(OperatorId.NOTIFY))
LEDGER_MISSES = _counter(
    "cali_ledger_misses_total",
    "Alerts that were posted without the ledger's word (claim), or of whose end it does not know (settle).",
    _at(OperatorId.NOTIFY, step=("claim", "settle")),
)
OUTBOX_ALERTS = _gauge("cali_outbox_alerts", "Alerts that are to be posted.", _at(OperatorId.NOTIFY))
ALERT_DELAY = _histogram(
    "cali_alert_delay_seconds",
    "From the arrival of an incident's first record until its first alert is posted.",
    _LAG,
    _at(OperatorId.NOTIFY),
)
ANALYSES = _counter(
    "cali_analyses_total",
    "Analyses by how they ended. `fallback`: grounded in the best document alone, because the model failed.",
    _at(OperatorId.ANALYZE, status=(*(status.value for status in AnalysisStatus), "fallback")),
)
ANALYSIS_SECONDS = _histogram("cali_analysis_seconds", "One analysis.", _CALL, _at(OperatorId.ANALYZE))
RETRIEVAL_SECONDS = _histogram(
    "cali_retrieval_seconds", "One search in the knowledge base.", _CALL, _at(OperatorId.ANALYZE)
)
LLM_SECONDS = _histogram("cali_llm_seconds", "One answer of the language model.", _CALL, _at(OperatorId.ANALYZE))
LLM_CALLS = _counter(
    "cali_llm_calls_total",
    "Questions to the language model: answered; ungrounded, invalid or refused, which are paid and not used; failed;"
    " skipped while its breaker is open.",
    _at(OperatorId.ANALYZE, outcome=("answered", "ungrounded", "invalid", "refused", "failed", "skipped")),
)
LLM_TOKENS = _counter(
    "cali_llm_tokens_total",
    "Tokens that the language model's server has counted.",
    _at(OperatorId.ANALYZE, direction=("prompt", "completion")),
)
LLM_COST = _counter(
    "cali_llm_cost_microdollars_total",
    "What these tokens cost, millionths of a dollar, at the prices of the settings.",
    _at(OperatorId.ANALYZE),
)
INDEX_DOCUMENTS = _counter(
    "cali_index_documents_total",
    "Documents by what became of them. `backlog`: OpenSearch did not take it in time.",
    _at(OperatorId.INDEX_LOGS, outcome=("indexed", "refused", "backlog")),
    _at(OperatorId.INDEX_INCIDENTS, outcome=("indexed", "refused", "backlog")),
)
INDEX_SECONDS = _histogram(
    "cali_index_seconds",
    "One batch of documents, all attempts. While the breaker is open nothing is attempted nor timed.",
    _CALL,
    _at(OperatorId.INDEX_LOGS),
    _at(OperatorId.INDEX_INCIDENTS),
)
BREAKER_OPEN = _gauge(
    "cali_breaker_open",
    "1 while a dependency is taken to be down, and is asked once per cool-down only.",
    _at(OperatorId.ANALYZE, dependency=("milvus", "llm")),
    _at(OperatorId.INDEX_LOGS, dependency=("opensearch",)),
    _at(OperatorId.INDEX_INCIDENTS, dependency=("opensearch",)),
    _at(OperatorId.NOTIFY, dependency=("ledger",)),
)

#: Every metric above.
REGISTRY: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))


def index_reason(error_type: str) -> str:
    """Return the `reason` of `DEAD_LETTERS` for an error type of OpenSearch."""
    reason = f"index.{error_type}"
    return reason if reason in _REFUSED else f"index.{OTHER}"
