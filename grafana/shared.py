"""Panels and columns that several dashboards show alike."""

from grafana.links import DataLink, field, to_evidence, to_service, to_slack
from grafana.opensearch import documents
from grafana.panels import NOT_FOUND, TIME, Column, Panel, first_of_list, rows
from grafana.variables import Source

SEVERITY_COLORS = {"WARN": "yellow", "ERROR": "orange", "FATAL": "red"}

_EVIDENCE = "Best document"
_FINDINGS = (
    Column("analysis.cause", "Cause", width=300),
    Column("analysis.action", "Action", width=300),
    Column(_EVIDENCE, _EVIDENCE, links=(to_evidence(),), width=240, texts={NOT_FOUND: ""}),
)


def incidents_table(
    title: str,
    about: str,
    query: str,
    *,
    order: str,
    incident_links: tuple[DataLink, ...],
    size: int = 200,
    height: int = 10,
    grounded: bool = True,
) -> Panel:
    """Return incidents as rows: when and where it began, what it is, whom it was told, what is known of it.

    Where none is `grounded` there is no cause, no action and no document to show.
    """
    return rows(
        title,
        about,
        documents(Source.INCIDENTS, query, order=order, size=size),
        [
            Column("first_seen", "First seen", TIME, width=170),
            Column("service", "Service", links=(to_service(), to_service(fingerprint=field("Fingerprint"))), width=130),
            Column("title", "What", width=330),
            Column("severity", "Severity", width=80),
            Column("count", "Entries", "short", width=75),
            Column("state", "State", width=80),
            Column("alert.state", "Told", width=75),
            Column("alert.kind", "As", width=75),
            Column("alert.at", "Told at", TIME, width=170),
            Column("channel", "Channel", links=(to_slack(field("Channel")),), width=90),
            Column("analysis.status", "Analysis", width=100),
            *(_FINDINGS if grounded else ()),
            Column("last_seen", "Last seen", TIME, width=170),
            Column("fingerprint", "Fingerprint", width=150),
            Column("id", "Incident", links=incident_links, width=200),
        ],
        source=Source.INCIDENTS,
        height=height,
        extract=first_of_list("evidence_urls", _EVIDENCE) if grounded else None,
    )
