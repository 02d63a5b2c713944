"""Questions to Prometheus. Counters begin anew when a worker restarts, so only rates and increases are asked for."""

from enum import StrEnum

from grafana_foundation_sdk.builders.prometheus import Dataquery

from grafana.variables import Source
from jobs.log_insight.metrics import Metric


class Flink(StrEnum):
    """Flink's own metrics that dashboards use; `prometheus/scrape.yaml` keeps them."""

    RESTARTS = "flink_jobmanager_job_numRestarts"
    CHECKPOINT_MS = "flink_jobmanager_job_lastCheckpointDuration"
    CHECKPOINT_BYTES = "flink_jobmanager_job_lastCheckpointSize"
    CHECKPOINTS_DONE = "flink_jobmanager_job_numberOfCompletedCheckpoints"
    CHECKPOINTS_FAILED = "flink_jobmanager_job_numberOfFailedCheckpoints"
    BACK_PRESSURED_MS = "flink_taskmanager_job_task_backPressuredTimeMsPerSecond"
    BUSY_MS = "flink_taskmanager_job_task_busyTimeMsPerSecond"
    BEHIND_MS = "flink_taskmanager_job_task_operator_stream_shardId_millisBehindLatest"
    HEAP_USED = "flink_taskmanager_Status_JVM_Memory_Heap_Used"


#: Of processes, not of jobs.
PER_PROCESS = frozenset({Flink.HEAP_USED})

_REF_IDS = "ABCDEFGH"
_NEAR_ZERO = "1e-9"

Counted = Metric | Flink


def expression(promql: str, legend: str = "", *, instant: bool = False) -> Dataquery:
    """Return a query over the time range, or of its end; `legend` may hold `{{label}}`."""
    query = Dataquery().expr(promql).legend_format(legend).datasource(Source.METRICS.ref()).ref_id("A")
    return query.instant() if instant else query.range()


def several(*queries: Dataquery) -> list[Dataquery]:
    """Give the queries of one panel ids of their own."""
    return [query.ref_id(name) for name, query in zip(_REF_IDS, queries, strict=False)]


def selector(name: str, **labels: str) -> str:
    """Return the series of a metric in the chosen jobs; a value of a label is a regular expression.

    What Flink says of a process, and not of a job, has no name of a job.
    """
    chosen = labels if name in PER_PROCESS else {"job_name": "$job"} | labels
    conditions = ",".join(f'{label}=~"{value}"' for label, value in chosen.items())
    return f"{name}{{{conditions}}}"


def rate(metric: Counted, *by: str, **labels: str) -> str:
    """Return events a second."""
    return _summed(f"rate({selector(_name(metric), **labels)}[$__rate_interval])", *by)


def increase(metric: Counted, *by: str, window: str = "$__range", **labels: str) -> str:
    """Return events in a window, by default the whole time range."""
    return _summed(f"increase({selector(_name(metric), **labels)}[{window}])", *by)


def quantile(share: float, metric: Metric, *by: str) -> str:
    """Return a quantile of a histogram."""
    buckets = _summed(f"rate({selector(metric.name + '_bucket')}[$__rate_interval])", "le", *by)
    return f"histogram_quantile({share}, {buckets})"


def mean(metric: Metric) -> str:
    """Return the mean of what a histogram has seen."""
    total, number = (_summed(f"rate({selector(metric.name + part)}[$__rate_interval])") for part in ("_sum", "_count"))
    return ratio(total, number)


def quantiles(metric: Metric) -> list[Dataquery]:
    """Return median and 95th percentile."""
    return several(expression(quantile(0.5, metric), "half within"), expression(quantile(0.95, metric), "95 % within"))


def ratio(part: str, whole: str) -> str:
    """Return a share; 0 where there is nothing to have a share of."""
    return f"{part} / clamp_min({whole}, {_NEAR_ZERO})"


def latest(gauge: Counted, *by: str, how: str = "sum", **labels: str) -> str:
    """Return the present value of a gauge over all tasks: `sum`, `max` or `min`."""
    return f"{how}{_by(by)} ({selector(_name(gauge), **labels)})"


def _name(metric: Counted) -> str:
    return metric.value if isinstance(metric, Flink) else metric.name


def _summed(inner: str, *by: str) -> str:
    return f"sum{_by(by)} ({inner})"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
