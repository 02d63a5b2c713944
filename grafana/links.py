"""Where a reader goes from here: the dashboards, the Flink UI, Slack, a runbook.

Values of log text that go into a URL are percent-encoded, every one of them.
"""

from enum import StrEnum
from typing import NamedTuple

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

TAG = "cali"


class Uid(StrEnum):
    """The dashboards. A uid is part of links in Slack and in bookmarks, and is never changed."""

    LIVE_ERRORS = "cali-live-errors"
    SERVICE = "cali-service"
    INCIDENTS = "cali-incidents"
    PIPELINE = "cali-pipeline"
    LLM = "cali-llm"
    DATA_QUALITY = "cali-data-quality"


class DataLink(NamedTuple):
    """A link on a value."""

    title: str
    url: str
    new_tab: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as Grafana stores it."""
        return {"title": self.title, "url": self.url, "targetBlank": self.new_tab}


def field(name: str) -> str:
    """Return the expression of another field of the row, fit for a URL."""
    return f'${{__data.fields["{name}"]:percentencode}}'


#: The value that is clicked on, fit for a URL.
VALUE = "${__value.raw:percentencode}"
#: The service that a series is of, fit for a URL.
LABEL_SERVICE = '${__field.labels["service.name"]:percentencode}'


def to_service(value: str = VALUE, fingerprint: str | None = None) -> DataLink:
    """Link to a service, or to the lines of one fingerprint in it."""
    if fingerprint is None:
        return _to(Uid.SERVICE, "All of this service", service=value)
    return _to(Uid.SERVICE, "Lines of this error", service=value, fingerprint=fingerprint)


def to_incident(value: str = VALUE) -> DataLink:
    """Link to one incident."""
    return _to(Uid.INCIDENTS, "This incident alone", incident=value)


def to_slack(channel: str) -> DataLink:
    """Link to a channel. Slack resolves names too: https://docs.slack.dev/interactivity/deep-linking."""
    return DataLink(
        "Channel in Slack", f"https://slack.com/app_redirect?channel={channel}${{and_slack_team:raw}}", True
    )


def to_flink() -> DataLink:
    """Link to the running jobs of the Flink UI."""
    return DataLink("Flink UI", "${flink_ui}/#/job/running", True)


def to_evidence() -> DataLink:
    """Link to a document of the knowledge base: the value is its URL. Grafana disarms `javascript:` and the like."""
    return DataLink("Open the document", "${__value.raw:raw}", True)


def dashboard_links() -> list[DashboardLink]:
    """Return the links at the top of every dashboard: to all dashboards, with time range and variables kept."""
    others = DashboardLink("CALI").type(DashboardLinkType.DASHBOARDS).tags([TAG]).keep_time(True).include_vars(True)
    flink = DashboardLink("Flink UI").type(DashboardLinkType.LINK).url("${flink_ui}").target_blank(True)
    return [others, flink.icon("external link").tooltip("Back-pressure, checkpoints and exceptions of the job")]


def _to(uid: Uid, title: str, **variables: str) -> DataLink:
    chosen = "".join(f"&var-{name}={value}" for name, value in variables.items())
    return DataLink(title, f"/d/{uid}?${{__url_time_range}}&${{logs:queryparam}}&${{incidents:queryparam}}{chosen}")
