"""What is going wrong right now, in all services."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.links import LABEL_SERVICE, Uid, field, to_incident, to_service
from grafana.opensearch import metric, over_time, top
from grafana.panels import TIME, Column, Section, build_dashboard, figure, log_lines, rows, series
from grafana.shared import SEVERITY_COLORS, incidents_table
from grafana.variables import Addresses, Source, severities, terms

_ERRORS = "service.name:$service AND severity_text:$severity"


def build(given: Addresses) -> Dashboard:
    """Return the dashboard."""
    return build_dashboard(
        Uid.LIVE_ERRORS,
        "Live errors",
        "What is going wrong now: where, how often, in which words, and which of it is new.",
        variables=[terms("service", Source.LOGS, "service.name"), severities("ERROR", "FATAL")],
        sections=[_OVERVIEW, _KINDS, _NEW, _LINES],
        given=given,
        refresh="10s",
    )


_OVERVIEW = Section(
    "How many, and where",
    [
        figure(
            "Errors",
            "Entries of the chosen severities and services in the time range. Compare with an hour or a day before.",
            over_time(Source.LOGS, _ERRORS, label="errors"),
            source=Source.LOGS,
            how="sum",
            height=8,
        ),
        figure(
            "New incidents",
            "Failures that began in the time range. Each is told of once; open one below.",
            over_time(Source.INCIDENTS, "service:$service", label="incidents"),
            source=Source.INCIDENTS,
            how="sum",
            height=8,
            limits=(1, 10),
        ),
        series(
            "Errors by severity",
            "FATAL means that a process or a batch has died: look there first.",
            over_time(Source.LOGS, _ERRORS, "severity_text"),
            source=Source.LOGS,
            stacked=True,
            width=16,
            colors=SEVERITY_COLORS,
        ),
        series(
            "Errors by service",
            "The service whose bars begin first is the likely origin, others may follow. Click for its own page.",
            over_time(Source.LOGS, _ERRORS, "service.name"),
            source=Source.LOGS,
            stacked=True,
            width=24,
            height=9,
            links=[to_service(LABEL_SERVICE)],
        ),
    ],
)

_KINDS = Section(
    "Which errors",
    [
        rows(
            "Most frequent errors",
            "Entries that are the same but for what varies, by fingerprint. Click a fingerprint for its lines.",
            top(
                Source.LOGS,
                f"{_ERRORS} AND _exists_:fingerprint",
                "fingerprint",
                "service.name",
                "template",
                metrics=(metric("min", "@timestamp", "2"), metric("max", "@timestamp", "3")),
            ),
            [
                Column("service.name", "Service", links=(to_service(),), width=160),
                Column("template", "Template"),
                Column("Count", "Entries", "short", width=90),
                Column("Min", "First", TIME, width=170),
                Column("Max", "Last", TIME, width=170),
                Column(
                    "fingerprint", "Fingerprint", links=(to_service(field("Service"), field("Fingerprint")),), width=160
                ),
            ],
            source=Source.LOGS,
        ),
    ],
)

_NEW = Section(
    "What is new",
    [
        incidents_table(
            "New incidents, the latest first",
            "Failures that began in the time range. No cause yet: the analysis is under way or found nothing.",
            "service:$service",
            order="desc",
            incident_links=(to_incident(),),
        ),
    ],
)

_LINES = Section(
    "The lines",
    [
        log_lines(
            "Error lines", "Redacted before they were stored. Open a line for pod, trace and fingerprint.", _ERRORS
        )
    ],
)
