"""Which service failed first, and what was done about it."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.links import Uid, field, to_evidence, to_incident, to_service, to_slack
from grafana.opensearch import documents, in_order, metric, over_time, top
from grafana.panels import TIME, Column, Section, build_dashboard, figure, log_lines, rows, series
from grafana.shared import SEVERITY_COLORS, incidents_table
from grafana.variables import Addresses, Source, follows, one_or_all, terms

_CHOSEN = "service:$service AND channel:$channel AND id:$incident"
_LINES_OF_CHOSEN = "fingerprint:$fingerprint"

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
            one_or_all("incident", Source.INCIDENTS, "id", "service:$service"),
            follows("fingerprint", Source.INCIDENTS, "fingerprint", _CHOSEN),
        ],
        sections=[_STORY, _TOLD, _ONE],
        sources=[Source.LEDGER],
        given=given,
        since="now-24h",
    )


_STORY = Section(
    "What happened",
    [
        incidents_table(
            FIRST,
            "The first row is the failure that began first: look for the cause there. Told, cause and action say what"
            " was done and what to do next; the document is the runbook or earlier incident behind the analysis.",
            _CHOSEN,
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
                _CHOSEN,
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
            over_time(Source.INCIDENTS, _CHOSEN, "service", size=20),
            source=Source.INCIDENTS,
            stacked=True,
            height=9,
        ),
        series(
            "Error entries of these incidents by service",
            "How each failure went on and whether it is over: bars that have ended are silent, not yet proven healthy.",
            over_time(Source.LOGS, _LINES_OF_CHOSEN, "service.name", size=20),
            source=Source.LOGS,
            stacked=True,
            width=24,
            links=[to_service('${__field.labels["service.name"]:percentencode}')],
        ),
    ],
)

_TOLD = Section(
    "What was done",
    [
        figure(
            "Alerts told",
            "Alerts in the ledger. One incident has one alert when it begins, and more only when there is news.",
            over_time(Source.LEDGER, "channel:$channel AND incident_id:$incident", label="alerts"),
            source=Source.LEDGER,
            how="sum",
        ),
        figure(
            "Still open",
            "Incidents that have not been silent long enough to be over.",
            over_time(Source.INCIDENTS, f"{_CHOSEN} AND state:open", label="incidents"),
            source=Source.INCIDENTS,
            how="sum",
        ),
        rows(
            "Documents to read",
            "Runbooks and earlier incidents that analyses rest on, the most often used first. Click to open one.",
            top(Source.INCIDENTS, f"{_CHOSEN} AND _exists_:evidence_urls", "evidence_urls", "service"),
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
            documents(Source.LEDGER, "channel:$channel AND incident_id:$incident"),
            [
                Column("posted_at", "Posted", TIME, width=170),
                Column("kind", "Kind", width=100),
                Column("status", "Status", width=100),
                Column("channel", "Channel", links=(to_slack(field("Channel")),), width=140),
                Column("incident_id", "Incident", links=(to_incident(),)),
            ],
            source=Source.LEDGER,
        ),
    ],
)

_ONE = Section(
    "Drill down: choose an incident above",
    [
        rows(
            "Exemplars",
            "Traces of the records that the incidents keep as examples. Look one up in your tracing.",
            top(Source.INCIDENTS, f"{_CHOSEN} AND _exists_:exemplars.trace_id", "exemplars.trace_id", "service"),
            [
                Column("exemplars.trace_id", "Trace"),
                Column("service", "Service", links=(to_service(),), width=160),
            ],
            source=Source.INCIDENTS,
            width=12,
        ),
        rows(
            "Pods of the exemplars",
            "Where the examples come from.",
            top(Source.INCIDENTS, f"{_CHOSEN} AND _exists_:exemplars.pod", "exemplars.pod", "service"),
            [
                Column("exemplars.pod", "Pod"),
                Column("service", "Service", links=(to_service(),), width=160),
                Column("Count", "Incidents", "short", width=90),
            ],
            source=Source.INCIDENTS,
            width=12,
        ),
        series(
            "Entries by severity",
            "The course of the chosen incident, of all incidents when none is chosen.",
            over_time(Source.LOGS, _LINES_OF_CHOSEN, "severity_text"),
            source=Source.LOGS,
            stacked=True,
            width=24,
            colors=SEVERITY_COLORS,
        ),
        log_lines("Lines", "The lines with the fingerprint of the chosen incident, redacted.", _LINES_OF_CHOSEN),
    ],
)
