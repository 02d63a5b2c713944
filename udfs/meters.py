"""What an operator counts: the values behind the metrics of the registry."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from jobs.log_insight.metrics import REGISTRY, Labels, Metric, MetricKind
from jobs.log_insight.operator_ids import OperatorId

_INFINITY = "+Inf"


class UnregisteredMetricError(LookupError):
    """A metric, a label or a value of a label that the registry does not have at this operator; a bug."""


class Series(NamedTuple):
    """What is scraped as one line: a name and its labels."""

    name: str
    labels: Labels


class Meters:
    """The metrics of one operator. Any thread may count; every series is there from the start, with 0.

    All methods raise `UnregisteredMetricError` for what is not in the registry, or is there as another kind.
    """

    def __init__(self, operator: OperatorId) -> None:
        self._operator = operator
        self._lock = threading.Lock()
        self._known = {metric.name: set(metric.label_values(operator)) for metric in REGISTRY}
        self._values: dict[Series, float] = {
            series: 0
            for metric in REGISTRY
            for labels in metric.label_values(operator)
            for series in _series(metric, labels)
        }

    def add(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        key = self._labels(metric, MetricKind.COUNTER, labels)
        with self._lock:
            self._values[Series(metric.name, key)] += amount

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Set a gauge."""
        key = self._labels(metric, MetricKind.GAUGE, labels)
        with self._lock:
            self._values[Series(metric.name, key)] = value

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        key = self._labels(metric, MetricKind.HISTOGRAM, labels)
        with self._lock:
            for bound in metric.buckets:
                if value <= bound:
                    self._values[_bucket(metric, key, f"{bound:g}")] += 1
            self._values[_bucket(metric, key, _INFINITY)] += 1
            self._values[Series(f"{metric.name}_sum", key)] += value
            self._values[Series(f"{metric.name}_count", key)] += 1

    @contextmanager
    def timed(self, metric: Metric, **labels: str) -> Iterator[None]:
        """Add the seconds of a block to a histogram, however the block ends."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.observe(metric, time.monotonic() - started, **labels)

    def series(self) -> Iterable[Series]:
        """Return all series."""
        return self._values.keys()

    def value(self, series: Series) -> int:
        """Return the value of a series, rounded down: Flink hands whole numbers on only."""
        return int(self._values[series])

    def _labels(self, metric: Metric, kind: MetricKind, given: dict[str, str]) -> Labels:
        labels = tuple(given.items())
        if metric.kind is not kind or labels not in self._known.get(metric.name, ()):
            raise UnregisteredMetricError(f"{metric.name}{given} is no {kind} of {self._operator}")
        return labels


def _series(metric: Metric, labels: Labels) -> list[Series]:
    if metric.kind is not MetricKind.HISTOGRAM:
        return [Series(metric.name, labels)]
    bounds = [*(f"{bound:g}" for bound in metric.buckets), _INFINITY]
    return [
        *(_bucket(metric, labels, bound) for bound in bounds),
        Series(f"{metric.name}_sum", labels),
        Series(f"{metric.name}_count", labels),
    ]


def _bucket(metric: Metric, labels: Labels, bound: str) -> Series:
    return Series(f"{metric.name}_bucket", (*labels, ("le", bound)))
