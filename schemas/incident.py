"""A failure with a beginning: one fingerprint from its first second until it has been silent for long enough."""

from enum import StrEnum

from pydantic import Field

from schemas.base import WireModel
from schemas.error_group import MAX_EXEMPLARS, Exemplar
from schemas.log_entry import Severity


class IncidentState(StrEnum):
    """Where an incident is in its life."""

    OPEN = "open"
    RESOLVED = "resolved"


class Incident(WireModel):
    """The state of an incident at one revision.

    `started` is `s0`, epoch seconds of arrival; `first_seen` and `last_seen` are epoch milliseconds of arrival.
    `revision` grows with every update and is the external version of the document in OpenSearch.
    """

    id: str
    environment: str
    rules_version: str
    fingerprint: str
    service: str
    severity: Severity
    title: str
    template: str
    started: int
    first_seen: int
    last_seen: int
    count: int
    revision: int
    late: int = 0
    state: IncidentState = IncidentState.OPEN
    exception_type: str | None = None
    exemplars: tuple[Exemplar, ...] = Field(default=(), max_length=MAX_EXEMPLARS)
    overflow: bool = False


class IncidentEvent(StrEnum):
    """Why `track` tells of an incident.

    `OPENED` comes with the first group, so that the analysis can start; `FIRING` once `group_wait` has passed;
    `UPDATED` at a `group_interval` with news or at a `repeat_interval`; `COUNTED` at a `group_interval` without news,
    so that the document keeps up with the counts; `RESOLVED` after `resolve_after` of silence.
    """

    OPENED = "opened"
    FIRING = "firing"
    UPDATED = "updated"
    COUNTED = "counted"
    RESOLVED = "resolved"


class IncidentUpdate(WireModel):
    """What `track` says of an incident.

    `at` is the arrival time, epoch milliseconds, at which it became true; `interval` is the number of whole
    `group_interval`s since the incident's start.
    """

    event: IncidentEvent
    at: int
    interval: int
    incident: Incident
