"""The one document of an incident in OpenSearch: what happened, whom it was told, what is known of it."""

from enum import StrEnum

from schemas.alert import AlertKind
from schemas.analysis import Analysis
from schemas.base import WireModel
from schemas.incident import Incident

#: Documents of one revision at most before the next revision's versions are used: a posted alert or an analysis
#: changes the document without a new revision.
VERSIONS_PER_REVISION = 1000


class AlertState(StrEnum):
    """What became of an alert. `FAILED` is an alert that Slack refused for good, also as plain text."""

    PENDING = "pending"
    POSTED = "posted"
    FAILED = "failed"


class AlertStatus(WireModel):
    """The last alert of an incident. `at` is epoch milliseconds of processing time, `reason` why it failed."""

    id: str
    kind: AlertKind
    state: AlertState
    at: int
    reason: str | None = None


class IncidentDocument(Incident):
    """An incident with its alert and its analysis, as it lies in the index `incidents` under the incident's id.

    `version` is the document's external version: it grows with every document of an incident, and never falls behind
    `revision` times `VERSIONS_PER_REVISION`, so that a job without memory of earlier documents writes a higher one as
    soon as the incident moves on.
    """

    version: int
    channel: str
    alert: AlertStatus | None = None
    alerts_posted: int = 0
    alerts_failed: int = 0
    analysis: Analysis | None = None
    evidence_urls: tuple[str, ...] = ()


def next_version(last: int, revision: int) -> int:
    """Return the external version of a document of `revision` that follows a document of version `last`."""
    return max(last + 1, revision * VERSIONS_PER_REVISION)
