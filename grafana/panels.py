"""The kinds of panels, each in one place, and the dashboard that holds them."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import bargauge, common, logs, stat, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LogsDedupStrategy,
    LogsSortOrder,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VizOrientation,
)

from grafana.links import TAG, DataLink, Uid, dashboard_links
from grafana.opensearch import lines
from grafana.variables import Addresses, Source, Variable, addresses

Panel = Builder[models.Panel]
Query = Builder[Dataquery]

GREEN, ORANGE, RED = "green", "orange", "red"
TIME = "dateTimeAsIso"


class Column(NamedTuple):
    """A column of a table: a field of the answer, under a name of its own. `texts` replace values."""

    field: str
    name: str
    unit: str | None = None
    links: tuple[DataLink, ...] = ()
    width: int | None = None
    texts: dict[str, str] | None = None


class Section(NamedTuple):
    """Panels below a headline."""

    title: str
    panels: Sequence[Panel]


def build_dashboard(
    uid: Uid,
    title: str,
    description: str,
    *,
    variables: Sequence[Variable],
    sections: Sequence[Section],
    given: Addresses,
    sources: Sequence[Source] = (),
    since: str = "now-1h",
    refresh: str = "30s",
) -> models.Dashboard:
    """Return a dashboard. Logs and incidents are among the sources of all, so that links can keep the choice."""
    made = Dashboard(f"CALI: {title}").uid(uid).description(description).tags([TAG]).timezone("browser")
    made.time(since, "now").refresh(refresh).readonly().tooltip(models.DashboardCursorSync.CROSSHAIR)
    made.links(list(dashboard_links()))
    pickers = [source.variable() for source in Source if source in {Source.LOGS, Source.INCIDENTS, *sources}]
    made.variables([*pickers, *variables, *addresses(given)])
    for section in sections:
        made.with_row(Row(section.title))
        for panel in section.panels:
            made.with_panel(panel)
    dashboard = made.build()
    for number, built in enumerate(dashboard.panels or [], 1):
        built.id_val = number
    return dashboard


def series(
    title: str,
    about: str,
    queries: Query | Sequence[Query],
    *,
    source: Source = Source.METRICS,
    unit: str = "short",
    stacked: bool = False,
    width: int = 12,
    height: int = 8,
    limits: tuple[float, float] | None = None,
    colors: dict[str, str] | None = None,
    links: Sequence[DataLink] = (),
) -> Panel:
    """Return values over time; `stacked` are bars that add up, for counts."""
    panel = timeseries.Panel().title(title).description(about).datasource(source.ref()).unit(unit).min(0)
    panel.span(width).height(height).targets(_list(queries)).legend(_legend()).tooltip(_tooltip())
    panel.draw_style(GraphDrawStyle.BARS if stacked else GraphDrawStyle.LINE).fill_opacity(60 if stacked else 10)
    if stacked:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if limits:
        panel.thresholds(_limits(*limits))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    for name, color in (colors or {}).items():
        panel.override_by_name(name, [_property("color", {"mode": "fixed", "fixedColor": color})])
    if links:
        panel.override_by_regexp(".*", [_property("links", [link.to_json() for link in links])])
    return panel


def figure(
    title: str,
    about: str,
    query: Query,
    *,
    source: Source = Source.METRICS,
    unit: str = "short",
    limits: tuple[float, float] | None = None,
    how: str = "lastNotNull",
    width: int = 4,
    height: int = 4,
    links: Sequence[DataLink] = (),
) -> Panel:
    """Return one number, green below the first limit, red from the second on. `how` reduces a series to it."""
    panel = stat.Panel().title(title).description(about).datasource(source.ref()).unit(unit).with_target(query)
    panel.span(width).height(height).reduce_options(common.ReduceDataOptions().calcs([how]))
    panel.thresholds(_limits(*limits) if limits else _steps((None, GREEN)))
    if links:
        panel.override_by_regexp(".*", [_property("links", [link.to_json() for link in links])])
    return panel


def ranking(title: str, about: str, query: Query, *, unit: str = "short", width: int = 12, height: int = 8) -> Panel:
    """Return named values of now as bars."""
    panel = bargauge.Panel().title(title).description(about).datasource(Source.METRICS.ref()).unit(unit)
    panel.span(width).height(height).with_target(query).min(0).thresholds(_steps((None, GREEN)))
    panel.orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC)
    return panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def rows(
    title: str,
    about: str,
    query: Query,
    columns: Sequence[Column],
    *,
    source: Source,
    width: int = 24,
    height: int = 9,
    extract: models.DataTransformerConfig | None = None,
) -> Panel:
    """Return a table of these columns in this order. Cells are text: nothing in them is read as markup."""
    panel = table.Panel().title(title).description(about).datasource(source.ref()).with_target(query)
    panel.span(width).height(height).filterable(True)
    if extract:
        panel.with_transformation(extract)
    for transformation in _chosen(columns):
        panel.with_transformation(transformation)
    for column in columns:
        if properties := list(_properties(column)):
            panel.override_by_name(column.name, properties)
    return panel


def first_of_list(field: str, name: str) -> models.DataTransformerConfig:
    """Return a transformation that makes a field of the first value of a list. Where it is empty: `NOT_FOUND`."""
    options = {"source": field, "format": "json", "jsonPaths": [{"path": "0", "alias": name}], "keepTime": False}
    return models.DataTransformerConfig(id_val="extractFields", options=options)


#: What Grafana puts where a path leads nowhere.
NOT_FOUND = "Not Found"


def log_lines(title: str, about: str, query: str, *, size: int = 200, height: int = 12) -> Panel:
    """Return log lines as text."""
    panel = logs.Panel().title(title).description(about).datasource(Source.LOGS.ref()).with_target(lines(query, size))
    panel.span(24).height(height).show_time(True).wrap_log_message(True).prettify_log_message(False)
    panel.show_labels(False).show_common_labels(False).enable_log_details(True)
    return panel.sort_order(LogsSortOrder.DESCENDING).dedup_strategy(LogsDedupStrategy.NONE)


def _list(queries: Query | Sequence[Query]) -> list[Query]:
    return [queries] if isinstance(queries, Builder) else list(queries)


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    return legend.placement(LegendPlacement.BOTTOM).calcs([])


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)


def _limits(warn: float, alarm: float) -> ThresholdsConfig:
    return _steps((None, GREEN), (warn, ORANGE), (alarm, RED))


def _steps(*steps: tuple[float | None, str]) -> ThresholdsConfig:
    made = [models.Threshold(value, color) for value, color in steps]
    return ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(made)


def _chosen(columns: Sequence[Column]) -> Iterator[models.DataTransformerConfig]:
    fields = [column.field for column in columns]
    yield models.DataTransformerConfig(id_val="filterFieldsByName", options={"include": {"names": fields}})
    order = {field: place for place, field in enumerate(fields)}
    names = {column.field: column.name for column in columns if column.field != column.name}
    options = {"indexByName": order, "renameByName": names, "excludeByName": {}}
    yield models.DataTransformerConfig(id_val="organize", options=options)


def _properties(column: Column) -> Iterator[models.DynamicConfigValue]:
    if column.unit:
        yield _property("unit", column.unit)
    if column.width:
        yield _property("custom.width", column.width)
    if column.links:
        yield _property("links", [link.to_json() for link in column.links])
    if column.texts:
        yield _property("mappings", [{"type": "value", "options": _texts(column.texts)}])


def _texts(texts: dict[str, str]) -> dict[str, Any]:
    return {value: {"text": text, "index": place} for place, (value, text) in enumerate(texts.items())}


def _property(name: str, value: object) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val=name, value=value)
