"""Which service failed first, and what was done about it."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.links import LABEL_SERVICE, Uid, field, to_evidence, to_incident, to_service, to_slack
from grafana.opensearch import documents, in_order, metric, over_time, top
from grafana.panels import TIME, Column, Section, build_dashboard, figure, log_lines, rows, series
from grafana.shared import SEVERITY_COLORS, incidents_table
from grafana.variables import Addresses, Source, follows, one_or_all, severities, terms

#: Warnings are no failures; a reader may choose them too. An incident that a link has chosen is shown whatever it is.
_STORY = "service:$service AND channel:$channel AND severity:$severity"
_ONE = "id:$incident"
_LINES_OF_ONE = "fingerprint:$incident_fingerprint"

#: The panel that answers the question of the dashboard; tests find it by this name.
FIRST = "What failed, in order, and what was done"


def build(given: Addresses) -> Dashboard:
    """Return the dashboard."""
    return build_dashboard(
        Uid.INCIDENTS,
        "Incidents",
        "Which service failed first, what failed after it, who was told when, what the cause is and what to do.",
        variables=[
            terms("service", Source.INCIDENTS, "service"),
            terms("channel", Source.INCIDENTS, "channel"),
            severities("ERROR", "FATAL"),
            one_or_all("incident", Source.INCIDENTS, "id", "service:$service"),
            follows("incident_fingerprint", Source.INCIDENTS, "fingerprint", _ONE),
        ],
        sections=[_WHAT_HAPPENED, _WHAT_WAS_DONE, _DRILL_DOWN],
        sources=[Source.LEDGER],
        given=given,
        since="now-24h",
    )


_LEDGER_COLUMNS = [
    Column("posted_at", "Posted", TIME, width=170),
    Column("kind", "Kind", width=100),
    Column("status", "Status", width=100),
    Column("channel", "Channel", links=(to_slack(field("Channel")),), width=140),
    Column("incident_id", "Incident", links=(to_incident(),)),
]

_WHAT_HAPPENED = Section(
    "What happened",
    [
        incidents_table(
            FIRST,
            "The first row is the failure that began first: look for the cause there. Told, cause and action say what"
            " was done and what to do next; the document is the runbook or earlier incident behind the analysis."
            " Entries are those of the last update, at most five minutes old; the lines below are all.",
            _STORY,
            order="asc",
            incident_links=(to_incident(),),
            size=500,
            height=12,
        ),
        rows(
            "Services in the order of their first failure",
            "The uppermost failed first. Those below, within a minute or two, may only suffer from it.",
            in_order(
                Source.INCIDENTS,
                _STORY,
                "service",
                metric("min", "first_seen", "2"),
                metric("max", "last_seen", "3"),
                metric("sum", "count", "4"),
                metric("sum", "alerts_posted", "5"),
            ),
            [
                Column("service", "Service", links=(to_service(),)),
                Column("Min", "First failure", TIME, width=170),
                Column("Max", "Last entry", TIME, width=170),
                Column("Count", "Incidents", "short", width=90),
                Column("Sum count", "Entries", "short", width=90),
                Column("Sum alerts_posted", "Alerts posted", "short", width=110),
            ],
            source=Source.INCIDENTS,
            width=12,
        ),
        series(
            "When incidents began",
            "A time line of beginnings by service. Several in one moment have most likely one cause.",
            over_time(Source.INCIDENTS, _STORY, "service", size=20),
            source=Source.INCIDENTS,
            stacked=True,
            height=9,
        ),
        series(
            "Errors by service",
            "How each failure went on and whether it is over: bars that have ended are silent, not yet proven healthy.",
            over_time(Source.LOGS, "service.name:$service AND severity_text:$severity", "service.name", size=20),
            source=Source.LOGS,
            stacked=True,
            width=24,
            links=[to_service(LABEL_SERVICE)],
        ),
    ],
)

_WHAT_WAS_DONE = Section(
    "What was done",
    [
        figure(
            "Alerts told",
            "Alerts in the ledger. One incident has one alert when it begins, and more only when there is news.",
            over_time(Source.LEDGER, "channel:$channel", label="alerts"),
            source=Source.LEDGER,
            how="sum",
            height=9,
        ),
        figure(
            "Still open",
            "Incidents that have not been silent long enough to be over.",
            over_time(Source.INCIDENTS, f"{_STORY} AND state:open", label="incidents"),
            source=Source.INCIDENTS,
            how="sum",
            height=9,
        ),
        rows(
            "Documents to read",
            "Runbooks and earlier incidents that analyses rest on, the most often used first. Click to open one.",
            top(Source.INCIDENTS, f"{_STORY} AND _exists_:evidence_urls", "evidence_urls", "service"),
            [
                Column("evidence_urls", "Document", links=(to_evidence(),)),
                Column("service", "Service", links=(to_service(),), width=160),
                Column("Count", "Incidents", "short", width=90),
            ],
            source=Source.INCIDENTS,
            width=16,
        ),
        rows(
            "Ledger of alerts",
            "Every alert that was posted, the latest first. Failed: Slack refused it for good, check the webhook.",
            documents(Source.LEDGER, "channel:$channel"),
            _LEDGER_COLUMNS,
            source=Source.LEDGER,
        ),
    ],
)

_DRILL_DOWN = Section(
    "One incident: choose it above, or click its id",
    [
        incidents_table(
            "The chosen incident",
            "What failed, since when, whom it was told, and what is known of it. All incidents when none is chosen.",
            _ONE,
            order="asc",
            incident_links=(to_incident(),),
            height=6,
        ),
        rows(
            "Alerts of the incident",
            "What was posted, when and where.",
            documents(Source.LEDGER, "incident_id:$incident"),
            _LEDGER_COLUMNS,
            source=Source.LEDGER,
            width=12,
        ),
        rows(
            "Where to read on",
            "The documents behind the analysis, runbooks and earlier incidents.",
            top(Source.INCIDENTS, f"{_ONE} AND _exists_:evidence_urls", "evidence_urls"),
            [
                Column("evidence_urls", "Document", links=(to_evidence(),)),
                Column("Count", "Incidents", "short", width=90),
            ],
            source=Source.INCIDENTS,
            width=12,
        ),
        rows(
            "Traces",
            "Of the records that the incident keeps as examples. Look one up in your tracing.",
            top(Source.INCIDENTS, f"{_ONE} AND _exists_:exemplars.trace_id", "exemplars.trace_id", "service"),
            [Column("exemplars.trace_id", "Trace"), Column("service", "Service", links=(to_service(),), width=160)],
            source=Source.INCIDENTS,
            width=12,
        ),
        rows(
            "Pods",
            "Where the lines come from. One pod alone: restart it, or look at its node.",
            top(Source.LOGS, _LINES_OF_ONE, "k8s.pod.name", metrics=(metric("max", "@timestamp", "2"),)),
            [
                Column("k8s.pod.name", "Pod"),
                Column("Count", "Entries", "short", width=90),
                Column("Max", "Last", TIME, width=170),
            ],
            source=Source.LOGS,
            width=12,
        ),
        series(
            "Entries by severity",
            "The course of the incident, from its first line on.",
            over_time(Source.LOGS, _LINES_OF_ONE, "severity_text"),
            source=Source.LOGS,
            stacked=True,
            width=24,
            colors=SEVERITY_COLORS,
        ),
        log_lines("Lines", "The lines with the fingerprint of the incident, redacted.", _LINES_OF_ONE),
    ],
)
