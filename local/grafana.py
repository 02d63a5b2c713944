"""Grafana's side of a panel, as far as it can be had without Grafana: what is asked, and the rows that come of it.

There is no Grafana here. So this expands variables as Grafana does, builds the request that Grafana's OpenSearch data
source (2.34, `pkg/opensearch`) builds of a panel's query, reads the answer as that does, its flaws included, and
applies the transformations that our tables use. Drawing is left out.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import requests
import yaml

from local import http
from local.paths import ROOT

DATA_SOURCES = ROOT / "grafana" / "provisioning" / "datasources" / "cali.yaml"
OPENSEARCH = "grafana-opensearch-datasource"
ALL = "$__all"

_POINTS = 1_000
_MAX_BUCKETS = 65_535
_HEADROOM = 0.9
_FEWEST_POINTS = 20
_FLATTEN_DEPTH = 10
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}")
_LUCENE_SPECIAL = re.compile(r'([!*+\-=<>\s&|()\[\]{}^~?:\\/"])')
_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
#: The intervals that Grafana and the plugin round to, milliseconds.
_INTERVALS = tuple(
    round(seconds * 1000)
    for seconds in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_200, 1_800)
) + tuple(hours * 3_600_000 for hours in (1, 2, 3, 6, 12, 24, 168, 720, 8_760))

Json = dict[str, Any]
Row = dict[str, Any]
Value = str | list[str]


class GrafanaError(Exception):
    """A query that Grafana or OpenSearch would refuse; the message has the words."""


class TimeRange(NamedTuple):
    """What a dashboard shows, epoch milliseconds."""

    start: int
    end: int


class DataSource(NamedTuple):
    """A provisioned data source; `indices` and `time_field` are OpenSearch's, `interval` (seconds) is Prometheus'."""

    uid: str
    url: str
    indices: str = ""
    time_field: str = ""
    interval: int = 0


class Choice(NamedTuple):
    """What a variable stands for. What is `raw` is put in as it is: a custom value of All."""

    value: Value
    raw: bool = False


class Asked(Protocol):
    """What is needed of Prometheus."""

    def label_values(self, metric: str, label: str) -> list[str]:
        """Return the values of a label of a metric."""


def data_sources(environment: Mapping[str, str]) -> dict[str, DataSource]:
    """Return the provisioned data sources by uid, with the variables of an environment put in."""
    text = _ENVIRONMENT.sub(lambda name: environment.get(name[1], ""), DATA_SOURCES.read_text())
    found = {}
    for source in yaml.safe_load(text)["datasources"]:
        options = source["jsonData"]
        interval = int(options.get("timeInterval", "0s").removesuffix("s"))
        found[source["uid"]] = DataSource(
            source["uid"], source["url"], options.get("database", ""), options.get("timeField", ""), interval
        )
    return found


def lucene(value: Value) -> str:
    """Return a value in Grafana's format `lucene`."""
    if isinstance(value, list):
        return "(" + " OR ".join(f'"{_escape(one)}"' for one in value) + ")" if value else "__empty__"
    return _escape(value)


def regular_expression(value: Value) -> str:
    """Return a value as Grafana's Prometheus data source puts it in."""
    values = [re.escape(one) for one in ([value] if isinstance(value, str) else value)]
    return values[0] if len(values) == 1 else f"({'|'.join(values)})"


def interpolate(text: str, choices: Mapping[str, Choice], style: Any = str) -> str:
    """Replace variables; what is not among the choices stays, such as `$__interval`."""

    def replaced(found: re.Match[str]) -> str:
        choice = choices.get(found[1] or found[2])
        if choice is None:
            return found[0]
        return str(choice.value) if choice.raw else str(style(choice.value))

    return _VARIABLE.sub(replaced, text)


def panels(dashboard: Json) -> Iterator[Json]:
    """Yield the panels of a dashboard that ask something."""
    yield from (panel for panel in dashboard["panels"] if panel["type"] != "row")


class Viewer:
    """Somebody who looks at dashboards: data sources, a time range, and what was clicked on."""

    def __init__(self, sources: Mapping[str, DataSource], shown: TimeRange, asked: Asked | None = None) -> None:
        self._sources = sources
        self._shown = shown
        self._asked = asked

    def choices(self, dashboard: Json, clicked: Mapping[str, str]) -> dict[str, Choice]:
        """Return the value of each variable of a dashboard: as a link gave it, or as the dashboard has it.

        Raises:
            GrafanaError: a variable without All has no value to choose.
        """
        made: dict[str, Choice] = {}
        for variable in dashboard["templating"]["list"]:
            name = variable["name"]
            is_set = name in clicked and not variable["skipUrlSync"]
            made[name] = Choice(clicked[name]) if is_set else self._choice(variable, made)
        return made

    def options(self, variable: Json, choices: Mapping[str, Choice]) -> list[str]:
        """Return the values that a query variable lets a reader choose."""
        query = variable["query"]
        if variable["datasource"]["type"] == OPENSEARCH:
            source = self._source(variable["datasource"], choices)
            return [str(bucket["key"]) for bucket in self._terms(json.loads(query), source, choices)]
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", query["query"])
        if found is None or self._asked is None:
            raise GrafanaError(f"not understood here: {query}")
        return self._asked.label_values(found[1], found[2])

    def rows(self, panel: Json, target: Json, choices: Mapping[str, Choice]) -> list[Row]:
        """Return what OpenSearch gives a panel, transformed as the panel says.

        A row of a time series has its labels, `time` and `value`.
        """
        source = self._source(target["datasource"], choices)
        asked = target | {"query": interpolate(target["query"] or "*", choices, lucene)}
        answer = self._search(source, search_body(asked, source, self._shown))
        return _transformed(read(answer, asked, source), panel.get("transformations", []))

    def promql(self, target: Json, choices: Mapping[str, Choice]) -> str:
        """Return the expression that Prometheus is asked."""
        source = self._source(target["datasource"], choices)
        seconds = (self._shown.end - self._shown.start) // 1000
        step = max(_interval(self._shown) // 1000, source.interval)
        built_in = {
            "__rate_interval": Choice(f"{max(step + source.interval, 4 * source.interval)}s", raw=True),
            "__interval": Choice(f"{step}s", raw=True),
            "__range": Choice(f"{seconds}s", raw=True),
        }
        return interpolate(target["expr"], {**choices, **built_in}, regular_expression)

    def _choice(self, variable: Json, choices: Mapping[str, Choice]) -> Choice:
        if variable["type"] == "constant":
            return Choice(variable["query"])
        current = variable.get("current", {}).get("value")
        if variable["type"] != "query":
            return Choice(current)
        if current == ALL and "allValue" in variable:
            return Choice(variable["allValue"], raw=True)
        options = self.options(variable, choices)
        if current == ALL:
            return Choice(options)
        if not options:
            raise GrafanaError(f"there is nothing to choose for {variable['name']}")
        return Choice(options[0])

    def _source(self, reference: Json, choices: Mapping[str, Choice]) -> DataSource:
        return self._sources[interpolate(reference["uid"], choices)]

    def _terms(self, find: Json, source: DataSource, choices: Mapping[str, Choice]) -> list[Json]:
        query = interpolate(find.get("query", "*"), choices, lucene)
        terms = {"field": find["field"], "size": find.get("size", 500), "order": {"_key": "asc"}}
        body = {"size": 0, "query": _filter(query, source, self._shown), "aggs": {"1": {"terms": terms}}}
        buckets: list[Json] = self._search(source, body)["aggregations"]["1"]["buckets"]
        return buckets

    def _search(self, source: DataSource, body: Json) -> Json:
        header = {"search_type": "query_then_fetch", "ignore_unavailable": True, "index": source.indices}
        with http.session() as client:
            response = client.post(
                f"{source.url}/_msearch",
                params={"max_concurrent_shard_requests": "5"},
                data=f"{json.dumps(header)}\n{json.dumps(body)}\n".encode(),
                headers={"content-type": "application/x-ndjson"},
                timeout=http.TIMEOUT_SECONDS * 4,
            )
        return _answer(response)


def search_body(target: Json, source: DataSource, shown: TimeRange) -> Json:
    """Return the body of a search as the plugin builds it of a panel's query.

    Raises:
        GrafanaError: the plugin would refuse to ask.
    """
    metric = target["metrics"][0]
    body: Json = {"size": 0, "query": _filter(target["query"], source, shown)}
    if metric["type"] in {"raw_data", "logs"}:
        return body | _documents(metric, source, shown)
    if not target["bucketAggs"]:
        raise GrafanaError("invalid query, missing metrics and aggregations")
    return body | {"aggs": _aggregations(target, source, shown)}


def read(answer: Json, target: Json, source: DataSource) -> list[Row]:
    """Return the rows that the plugin makes of an answer.

    As in the plugin, a value of an outer `terms` without inner buckets empties the table that was built so far.
    """
    if target["metrics"][0]["type"] in {"raw_data", "logs"}:
        return [_document(hit, source) for hit in answer["hits"]["hits"]]
    rows: list[Row] = []
    _read_buckets(answer["aggregations"], target, target["bucketAggs"], {}, rows)
    return rows


def _documents(metric: Json, source: DataSource, shown: TimeRange) -> Json:
    settings = metric["settings"]
    order = settings["order"] if settings.get("order") in {"asc", "desc"} else "desc"
    by_time = {source.time_field: {"order": order, "unmapped_type": "boolean"}}
    standard = [{"field": source.time_field, "format": "strict_date_optional_time_nanos"}]
    body: Json = {"size": int(settings["size"]), "fields": standard, "sort": [by_time]}
    if metric["type"] == "raw_data":
        return body | {"sort": [by_time, {"_doc": {"order": order}}]}
    volume = _histogram(source.time_field, {}, shown, _interval(shown))
    return body | {"docvalue_fields": [source.time_field], "aggs": {"1": volume}}


def _filter(query: str, source: DataSource, shown: TimeRange) -> Json:
    between = {"gte": shown.start, "lte": shown.end, "format": "epoch_millis"}
    words = {"query_string": {"query": query, "analyze_wildcard": True}}
    return {"bool": {"filter": [{"range": {source.time_field: between}}, words]}}


def _aggregations(target: Json, source: DataSource, shown: TimeRange) -> Json:
    interval = _budgeted_interval(target["bucketAggs"], shown)
    inner: Json = {
        metric["id"]: {metric["type"]: {"field": metric["field"]} | metric.get("settings", {})}
        for metric in target["metrics"]
        if metric["type"] != "count"
    }
    for aggregation in reversed(target["bucketAggs"]):
        if aggregation["type"] == "date_histogram":
            field = aggregation.get("field") or source.time_field
            made = _histogram(field, aggregation["settings"], shown, interval)
        else:
            made, ordering = _terms(aggregation, target["metrics"])
            inner = ordering | inner
        inner = {aggregation["id"]: made | ({"aggs": inner} if inner else {})}
    return inner


def _histogram(field: str, settings: Json, shown: TimeRange, interval: int) -> Json:
    return {
        "date_histogram": {
            "field": field,
            "interval": f"{interval}ms",
            "min_doc_count": int(settings.get("min_doc_count", 0)),
            "extended_bounds": {"min": shown.start, "max": shown.end},
            "format": "epoch_millis",
        }
    }


def _terms(aggregation: Json, metrics: list[Json]) -> tuple[Json, Json]:
    """Return a `terms` aggregation, and the metric that it is ordered by, which must stand beside its children."""
    settings = aggregation["settings"]
    order = settings["orderBy"]
    by = next((metric for metric in metrics if metric["id"] == order and metric["type"] != "count"), None)
    terms = {
        "field": aggregation["field"],
        "size": int(settings["size"]) or 500,
        "min_doc_count": int(settings["min_doc_count"]),
        "missing": settings["missing"],
        "order": {order: settings["order"]},
    }
    return {"terms": terms}, {by["id"]: {by["type"]: {"field": by["field"]}}} if by else {}


def _interval(shown: TimeRange) -> int:
    wanted = (shown.end - shown.start) / _POINTS
    return next((interval for interval in _INTERVALS if interval >= wanted), _INTERVALS[-1])


def _budgeted_interval(aggregations: list[Json], shown: TimeRange) -> int:
    """Return an interval with which terms times points stay below OpenSearch's limit on buckets."""
    product = 1
    for aggregation in aggregations:
        if aggregation["type"] == "terms":
            product *= int(aggregation["settings"]["size"]) or 500
    if product == 1 or all(aggregation["type"] == "terms" for aggregation in aggregations):
        return _interval(shown)
    points = int(_MAX_BUCKETS * _HEADROOM) // product
    if points < _FEWEST_POINTS:
        raise GrafanaError("bucket budget out of bounds")
    required = (shown.end - shown.start) / points
    return max(_interval(shown), next(interval for interval in _INTERVALS if interval >= required))


def _answer(response: requests.Response) -> Json:
    response.raise_for_status()
    answer: Json = response.json()["responses"][0]
    if "error" in answer:
        raise GrafanaError(json.dumps(answer["error"]))
    return answer


def _document(hit: Json, source: DataSource) -> Row:
    row = {"_id": hit["_id"], "_index": hit["_index"]} | dict(_flat(hit["_source"], "", 0))
    if times := hit.get("fields", {}).get(source.time_field):
        row[source.time_field] = times[0]
    return row


def _flat(value: Json, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        name = f"{prefix}.{key}".strip(".")
        if isinstance(inner, dict) and inner and depth < _FLATTEN_DEPTH:
            yield from _flat(inner, name, depth + 1)
        else:
            yield name, inner


def _read_buckets(answer: Json, target: Json, left: list[Json], outer: Row, rows: list[Row]) -> None:
    aggregation = left[0]
    buckets = answer[aggregation["id"]]["buckets"]
    if left[1:]:
        for bucket in buckets:
            _read_buckets(bucket, target, left[1:], outer | {aggregation["field"]: str(bucket["key"])}, rows)
    elif aggregation["type"] == "date_histogram":
        rows.extend(outer | {"time": bucket["key"], "value": bucket["doc_count"]} for bucket in buckets)
    elif buckets:
        rows.extend(outer | _cells(bucket, aggregation, target["metrics"]) for bucket in buckets)
    else:
        rows.clear()


def _cells(bucket: Json, aggregation: Json, metrics: list[Json]) -> Row:
    cells = {aggregation["field"]: bucket["key"]}
    kinds = [metric["type"] for metric in metrics]
    for metric in metrics:
        name = _METRIC_NAMES[metric["type"]]
        if metric["type"] == "count":
            cells[name] = bucket["doc_count"]
        else:
            several = kinds.count(metric["type"]) > 1
            cells[f"{name} {metric['field']}" if several else name] = bucket[metric["id"]]["value"]
    return cells


_METRIC_NAMES = {
    "count": "Count",
    "min": "Min",
    "max": "Max",
    "sum": "Sum",
    "avg": "Average",
    "cardinality": "Unique Count",
}


def _transformed(rows: list[Row], transformations: list[Json]) -> list[Row]:
    for transformation in transformations:
        rows = _TRANSFORMATIONS[transformation["id"]](rows, transformation["options"])
    return rows


def _extract_fields(rows: list[Row], options: Json) -> list[Row]:
    made = []
    for row in rows:
        values = row.get(options["source"])
        found = {path["alias"]: _at(values, int(path["path"])) for path in options["jsonPaths"] if values is not None}
        made.append(row | found)
    return made


def _at(values: list[Any], place: int) -> Any:
    return values[place] if place < len(values) else "Not Found"


def _filter_fields(rows: list[Row], options: Json) -> list[Row]:
    names = options["include"]["names"]
    return [{name: row[name] for name in names if name in row} for row in rows]


def _organize(rows: list[Row], options: Json) -> list[Row]:
    order, names = options["indexByName"], options["renameByName"]
    return [{names.get(name, name): row[name] for name in sorted(row, key=lambda each: order[each])} for row in rows]


_TRANSFORMATIONS = {"extractFields": _extract_fields, "filterFieldsByName": _filter_fields, "organize": _organize}


def _escape(value: str) -> str:
    try:
        float(value or "0")
    except ValueError:
        return _LUCENE_SPECIAL.sub(r"\\\1", value)
    return value
