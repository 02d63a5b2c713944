"""One service: what it says, what it suffers from, where it runs."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.links import Uid, field, to_incident, to_service
from grafana.opensearch import metric, over_time, top
from grafana.panels import TIME, Column, Section, build_dashboard, figure, log_lines, rows, series
from grafana.shared import SEVERITY_COLORS, incidents_table
from grafana.variables import Addresses, Source, one_or_all, terms

_ALL = "service.name:$service"
_ERRORS = "service.name:$service AND _exists_:fingerprint"


def build(given: Addresses) -> Dashboard:
    """Return the dashboard."""
    return build_dashboard(
        Uid.SERVICE,
        "Service",
        "One service: its entries, its incidents, its most frequent errors, the pods that they come from, its lines.",
        variables=[
            terms("service", Source.LOGS, "service.name", several=False),
            one_or_all("fingerprint", Source.LOGS, "fingerprint", "service.name:$service"),
        ],
        sections=[_OVERVIEW, _INCIDENTS, _ERROR_KINDS, _LINES],
        given=given,
    )


_OVERVIEW = Section(
    "How it is",
    [
        figure(
            "Entries",
            "All entries of the service. None at all: it is down, or its logs do not arrive (see data quality).",
            over_time(Source.LOGS, _ALL, label="entries"),
            source=Source.LOGS,
            how="sum",
            height=8,
        ),
        figure(
            "Warnings and errors",
            "Entries of WARN and up, which are those with a fingerprint.",
            over_time(Source.LOGS, _ERRORS, label="errors"),
            source=Source.LOGS,
            how="sum",
            height=8,
        ),
        series(
            "Entries by severity",
            "A rise of errors without a rise of entries is a failure; a rise of both is load.",
            over_time(Source.LOGS, _ALL, "severity_text"),
            source=Source.LOGS,
            stacked=True,
            width=16,
            colors=SEVERITY_COLORS,
        ),
    ],
)

_INCIDENTS = Section(
    "What went wrong",
    [
        incidents_table(
            "Incidents of the service",
            "Failures of the service that began in the time range, the latest first, with cause and action.",
            "service:$service",
            order="desc",
            incident_links=(to_incident(),),
        ),
    ],
)

_ERROR_KINDS = Section(
    "Which errors",
    [
        rows(
            "Most frequent errors",
            "Entries that are the same but for what varies. Click a fingerprint for its lines below.",
            top(
                Source.LOGS,
                _ERRORS,
                "fingerprint",
                "template",
                metrics=(metric("min", "@timestamp", "2"), metric("max", "@timestamp", "3")),
            ),
            [
                Column("template", "Template"),
                Column("Count", "Entries", "short", width=90),
                Column("Min", "First", TIME, width=170),
                Column("Max", "Last", TIME, width=170),
                Column(
                    "fingerprint",
                    "Fingerprint",
                    links=(to_service("${service:percentencode}", field("Fingerprint")),),
                    width=160,
                ),
            ],
            source=Source.LOGS,
        ),
        rows(
            "Exceptions",
            "Types of exceptions in stack traces. A dash stands for errors without one.",
            top(Source.LOGS, _ERRORS, "exception.type"),
            [Column("exception.type", "Exception"), Column("Count", "Entries", "short", width=90)],
            source=Source.LOGS,
            width=12,
        ),
        rows(
            "Pods with errors",
            "One pod alone: a bad node or a bad start; restart it. All pods: the service itself or what it depends on.",
            top(Source.LOGS, _ERRORS, "k8s.pod.name", metrics=(metric("max", "@timestamp", "2"),)),
            [
                Column("k8s.pod.name", "Pod"),
                Column("Count", "Entries", "short", width=90),
                Column("Max", "Last", TIME, width=170),
            ],
            source=Source.LOGS,
            width=12,
        ),
    ],
)

_LINES = Section(
    "The lines",
    [
        log_lines(
            "Error lines",
            "Lines of the chosen fingerprint, or of all errors. Secrets and personal data are taken out.",
            f"{_ALL} AND fingerprint:$fingerprint",
        ),
        log_lines(
            "All lines",
            "Everything that the service says, to see what happened around an error. Redacted like the lines above.",
            _ALL,
        ),
    ],
)
