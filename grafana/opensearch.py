"""Questions to OpenSearch, in the query model of Grafana's OpenSearch data source (2.x).

A query is Lucene. The model is that of the plugin's `OpenSearchQuery`, which the SDK does not know.
"""

from typing import Any

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery

from grafana.variables import Source

#: In place of a value that a document does not have. Without it the plugin drops rows: an outer bucket without inner
#: ones empties the table that was built so far.
MISSING = "–"  # noqa: RUF001 - a dash for nothing


class Target(Builder[Dataquery]):
    """One query of a panel."""

    def __init__(self, source: Source, kind: str, query: str, **model: Any) -> None:
        """Make a query of a `luceneQueryType`; `model` holds metrics, bucketAggs and alias."""
        self._model = {
            "refId": "A",
            "datasource": source.ref().to_json(),
            "queryType": "lucene",
            "luceneQueryType": kind,
            "query": query,
            "format": "table",
            "alias": "",
            "bucketAggs": [],
        } | model

    def build(self) -> Dataquery:
        """Return the query."""
        return UnknownDataquery(self._model)


def over_time(source: Source, query: str, split: str | None = None, size: int = 10, label: str = "") -> Target:
    """Count documents over time, one series for each of the `size` most frequent values of `split`.

    The plugin lets a series have no fewer than 20 points within 59,000 buckets, so `size` has room.
    """
    histogram = {"id": "2", "type": "date_histogram", "settings": {"interval": "auto", "min_doc_count": "0"}}
    aggregations = [histogram]
    alias = label
    if split:
        aggregations.insert(0, _terms("3", split, size))
        alias = f"{{{{term {split}}}}}"
    return Target(source, "Metric", query, metrics=[_count()], bucketAggs=aggregations, alias=alias)


def top(source: Source, query: str, *fields: str, size: int = 20, metrics: tuple[dict[str, Any], ...] = ()) -> Target:
    """Count documents by the values of fields, the most frequent first; `metrics` are further columns."""
    order = [(field, size if place == 0 else 5) for place, field in enumerate(fields)]
    return _table(source, query, order, metrics, {"orderBy": "_count", "order": "desc"})


def in_order(source: Source, query: str, field: str, metric: dict[str, Any], *more: dict[str, Any]) -> Target:
    """Return the values of a field by a metric of theirs, the smallest first; the metrics are columns."""
    return _table(source, query, [(field, 100)], (metric, *more), {"orderBy": metric["id"], "order": "asc"})


def _table(
    source: Source,
    query: str,
    fields: list[tuple[str, int]],
    metrics: tuple[dict[str, Any], ...],
    order: dict[str, str],
) -> Target:
    aggregations = [_terms(str(place + 20), field, size) for place, (field, size) in enumerate(fields)]
    aggregations[0]["settings"] |= order
    return Target(source, "Metric", query, metrics=[_count(), *metrics], bucketAggs=aggregations)


def documents(source: Source, query: str, *, order: str = "desc", size: int = 200) -> Target:
    """Return documents as rows, by the time field of their data source."""
    metric = {"id": "1", "type": "raw_data", "settings": {"size": str(size), "order": order, "useTimeRange": True}}
    return Target(source, "RawData", query, metrics=[metric])


def lines(query: str, size: int = 200) -> Target:
    """Return log lines, the latest first."""
    metric = {"id": "1", "type": "logs", "settings": {"size": str(size)}}
    return Target(Source.LOGS, "Logs", query, metrics=[metric], format="logs")


def metric(kind: str, field: str, identifier: str) -> dict[str, Any]:
    """Return a metric of a bucket: `min`, `max`, `sum` or `cardinality`. The id is a number other than 1."""
    return {"id": identifier, "type": kind, "field": field}


def _count() -> dict[str, Any]:
    return {"id": "1", "type": "count"}


def _terms(identifier: str, field: str, size: int) -> dict[str, Any]:
    settings = {"size": str(size), "min_doc_count": "1", "order": "desc", "orderBy": "_count", "missing": MISSING}
    return {"id": identifier, "type": "terms", "field": field, "settings": settings}
