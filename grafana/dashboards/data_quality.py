"""Whether what arrives is fit for use: for those who send logs, and for those who trust them."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.links import LABEL_SERVICE, Uid, to_service
from grafana.opensearch import in_order, metric, over_time, top
from grafana.panels import TIME, Column, Section, build_dashboard, figure, log_lines, ranking, rows, series
from grafana.promql import expression, increase, rate, ratio
from grafana.variables import Addresses, Source, job, terms
from jobs.log_insight import metrics

_ALL = "service.name:$service"
_FLAGGED = f"{_ALL} AND _exists_:flags"


def build(given: Addresses) -> Dashboard:
    """Return the dashboard."""
    return build_dashboard(
        Uid.DATA_QUALITY,
        "Data quality",
        "What arrives unreadable, doubtful, late or not at all, and from whom.",
        variables=[job(), terms("service", Source.LOGS, "service.name")],
        sections=[_AT_A_GLANCE, _UNREADABLE, _DOUBTFUL, _MISSING],
        sources=[Source.METRICS],
        given=given,
        since="now-6h",
        refresh="1m",
    )


_AT_A_GLANCE = Section(
    "At a glance",
    [
        figure(
            "Dead letters",
            "Share of lines that have no reading. Above one in a thousand: look at the reasons below.",
            expression(ratio(increase(metrics.RECORDS, outcome="dead_letter"), increase(metrics.RECORDS))),
            unit="percentunit",
            limits=(0.001, 0.01),
            width=6,
        ),
        figure(
            "Doubtful entries",
            "Entries in the index that were kept with a flag: time, level or service had to be guessed.",
            over_time(Source.LOGS, _FLAGGED, label="flagged"),
            source=Source.LOGS,
            how="sum",
            width=6,
        ),
        figure(
            "Refused by the index",
            "Documents that OpenSearch refuses: a mapping does not fit. They are dead letters, nothing is lost.",
            expression(increase(metrics.INDEX_DOCUMENTS, outcome="refused")),
            limits=(1, 100),
            width=6,
        ),
        figure(
            "Late or over the cap",
            "Error groups that were counted apart: too late for their second, or over the cap on new kinds of errors.",
            expression(increase(metrics.ERROR_GROUPS, outcome="late|overflow")),
            limits=(1, 1_000),
            width=6,
        ),
    ],
)

_UNREADABLE = Section(
    "Unreadable",
    [
        series(
            "Dead letters by reason",
            "A rise right after a deployment: its service writes something new. How to read the bytes, which may hold"
            " secrets: docs/runbooks.md, CaliDeadLetterRatioHigh.",
            expression(rate(metrics.DEAD_LETTERS, "reason"), "{{reason}}"),
            unit="cps",
            stacked=True,
        ),
        ranking(
            "Dead letters in the time range",
            "The ten most frequent reasons, by stage and error type.",
            expression(f"topk(10, {increase(metrics.DEAD_LETTERS, 'reason')})", "{{reason}}", instant=True),
        ),
    ],
)

_DOUBTFUL = Section(
    "Doubtful",
    [
        series(
            "Flags over time",
            "What had to be guessed. Time_without_zone: set the service's zone (`CALI_INGEST__SERVICE_TIME_ZONES`).",
            over_time(Source.LOGS, _FLAGGED, "flags"),
            source=Source.LOGS,
            stacked=True,
        ),
        rows(
            "Flags by service",
            "Whom to tell. The service is a guess too where its name was missing.",
            top(Source.LOGS, _FLAGGED, "service.name", "flags", metrics=(metric("max", "@timestamp", "2"),)),
            [
                Column("service.name", "Service", links=(to_service(),)),
                Column("flags", "Flag"),
                Column("Count", "Entries", "short", width=90),
                Column("Max", "Last", TIME, width=170),
            ],
            source=Source.LOGS,
            width=12,
        ),
        series(
            "Late groups and overflow",
            "Late: senders that hold lines back, or a shard that lags. Overflow: a flood of new kinds of errors.",
            expression(rate(metrics.ERROR_GROUPS, "outcome", outcome="late|overflow"), "{{outcome}}"),
            unit="cps",
            width=8,
        ),
        series(
            "Late groups without an incident",
            "Errors that no incident could count any more. More than a few: a shard lags behind the others.",
            expression(rate(metrics.LATE_GROUPS_UNCOUNTED), "uncounted"),
            unit="cps",
            width=8,
        ),
        series(
            "Documents refused",
            "By the index that refuses them.",
            expression(rate(metrics.INDEX_DOCUMENTS, "operator_name", outcome="refused"), "{{operator_name}}"),
            unit="cps",
            width=8,
        ),
        log_lines("Doubtful lines", "The latest lines with a flag; open one to see which, and what it says.", _FLAGGED),
    ],
)

_MISSING = Section(
    "Too much, or nothing",
    [
        rows(
            "Last entry by service",
            "The service that is silent longest comes first. Silent for minutes: down, or its logs do not arrive.",
            in_order(Source.LOGS, _ALL, "service.name", metric("max", "@timestamp", "2")),
            [
                Column("service.name", "Service", links=(to_service(),)),
                Column("Max", "Last entry", TIME, width=170),
                Column("Count", "Entries", "short", width=90),
            ],
            source=Source.LOGS,
            width=12,
        ),
        series(
            "Entries by service",
            "A service that stops, or that writes ten times as much as before.",
            over_time(Source.LOGS, _ALL, "service.name", size=20),
            source=Source.LOGS,
            stacked=True,
            links=[to_service(LABEL_SERVICE)],
        ),
        series(
            "Entries by severity",
            "As the job counted them, before the index. DEBUG in production is money.",
            expression(rate(metrics.ENTRIES, "severity"), "{{severity}}"),
            unit="cps",
            stacked=True,
        ),
        rows(
            "Entries by service and severity",
            "Who writes what. A service whose every entry is an error has a wrong level.",
            top(Source.LOGS, _ALL, "service.name", "severity_text"),
            [
                Column("service.name", "Service", links=(to_service(),)),
                Column("severity_text", "Severity"),
                Column("Count", "Entries", "short", width=90),
            ],
            source=Source.LOGS,
            width=12,
        ),
    ],
)
