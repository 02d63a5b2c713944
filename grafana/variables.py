"""What a reader chooses at the top of a dashboard, and the data sources that it asks."""

import json
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import urlencode

from grafana_foundation_sdk.builders.dashboard import (
    ConstantVariable,
    CustomVariable,
    DatasourceVariable,
    QueryVariable,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

OPENSEARCH = "grafana-opensearch-datasource"
PROMETHEUS = "prometheus"

ALL = VariableOption(selected=True, text="All", value="$__all")

Variable = Builder[VariableModel]


class Addresses(NamedTuple):
    """What differs from one company to the next and is in no data source."""

    flink_ui: str = "http://localhost:8081"
    slack_team: str = ""


class Source(StrEnum):
    """The data sources, as variables: the choice of an environment where Grafana knows several.

    OpenSearch's data source has one time field, so each index has one of its own.
    """

    METRICS = "metrics"
    LOGS = "logs"
    INCIDENTS = "incidents"
    LEDGER = "ledger"

    @property
    def plugin(self) -> str:
        """Id of its plugin."""
        return PROMETHEUS if self is Source.METRICS else OPENSEARCH

    @property
    def uid(self) -> str:
        """Its uid in `provisioning/`."""
        return f"cali-{self.value}"

    def ref(self) -> DataSourceRef:
        """Return the reference of a panel or a variable."""
        return DataSourceRef(type_val=self.plugin, uid=f"${{{self.value}}}")

    def variable(self) -> Variable:
        """Return the picker. `CALI logs` is one environment's, `CALI logs staging` another's."""
        name = f"CALI {self.value}"
        picker = DatasourceVariable(self.value).label(self.value.capitalize()).type(self.plugin)
        return picker.regex(f"/^{name}/").current(VariableOption(selected=True, text=name, value=self.uid))


class _Unshared(Builder[VariableModel]):
    """A hidden variable that no URL sets and no link carries: nobody would see to what."""

    def __init__(self, variable: Variable) -> None:
        self._variable = variable

    def build(self) -> VariableModel:
        """Return the variable."""
        model = self._variable.build()
        model.hide = VariableHide.HIDE_VARIABLE
        model.skip_url_sync = True
        return model


def addresses(given: Addresses) -> list[Variable]:
    """Return hidden constants for links. A team that is not known is no part of Slack's links at all."""
    team = f"&{urlencode({'team': given.slack_team})}" if given.slack_team else ""
    values = {"flink_ui": given.flink_ui, "and_slack_team": team}
    return [_Unshared(ConstantVariable(name).value(value)) for name, value in values.items()]


def terms(name: str, source: Source, terms_field: str, query: str = "*", *, several: bool = True) -> QueryVariable:
    """Return a choice among the values of a field in the time range: several or all of them, or one."""
    find = {"find": "terms", "field": terms_field, "query": query, "size": 500}
    variable = QueryVariable(name).label(name.capitalize()).datasource(source.ref()).query(json.dumps(find))
    variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    return variable.multi(True).include_all(True).all_value("*").current(ALL) if several else variable


def one_or_all(name: str, source: Source, terms_field: str, query: str = "*") -> QueryVariable:
    """Return a choice of one value of a field, or of all."""
    return terms(name, source, terms_field, query).multi(False)


def follows(name: str, source: Source, terms_field: str, query: str) -> Variable:
    """Return a hidden variable: all values of a field in what other variables have chosen."""
    chosen = terms(name, source, terms_field, query, several=False)
    return _Unshared(chosen.multi(True).include_all(True).current(ALL))


def severities(*chosen: str) -> CustomVariable:
    """Return a choice of severities."""
    every = ["WARN", "ERROR", "FATAL"]
    options = [VariableOption(selected=one in chosen, text=one, value=one) for one in every]
    current = VariableOption(selected=True, text=list(chosen), value=list(chosen))
    variable = CustomVariable("severity").label("Severity").values(",".join(every)).options(options)
    return variable.multi(True).current(current)


def job() -> QueryVariable:
    """Return a choice of Flink jobs by name."""
    query: dict[str, object] = {
        "qryType": 1,
        "query": "label_values(cali_records_total, job_name)",
        "refId": "PrometheusVariableQueryEditor-VariableQuery",
    }
    variable = QueryVariable("job").label("Job").datasource(Source.METRICS.ref()).query(query)
    variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    return variable.multi(True).include_all(True).all_value(".*").current(ALL)
