"""The life of an incident: one fingerprint from its first second until it has been silent for long enough.

All times are arrival times. An incident has instants at which something may have to be told, all whole seconds:
`FIRING` `group_wait` after its start, then one boundary every `group_interval` after its start, and the end,
`resolve_after` after its latest second. What is told at an instant counts the groups of the seconds before it. So the
updates depend on the groups alone, never on how often or when `advance` is called.

Two corners: the opening second always counts in `FIRING`, also with a `group_wait` of 0; and an incident that is over
before its `group_wait` is told of as it ends.
"""

from typing import NamedTuple

from jobs.log_insight.settings import Settings, TrackSettings
from schemas.base import WireModel
from schemas.error_group import ErrorGroup, merge_exemplars
from schemas.incident import Incident, IncidentEvent, IncidentState, IncidentUpdate
from schemas.log_entry import Severity
from udfs.combine import most_severe
from udfs.ids import incident_id

MS = 1000


class Told(WireModel):
    """What was last told: the count and severity then, and the epoch second of arrival time."""

    at: int
    count: int
    severity: Severity


class TrackState(WireModel):
    """An open incident.

    `clock` is the epoch second up to which everything that was due has been told, `last_second` that of the latest
    group that was not late, `documented` the count in the latest update, `told` is unset until `FIRING`.
    """

    incident: Incident
    clock: int
    last_second: int
    documented: int
    told: Told | None = None


class Step(NamedTuple):
    """A new state, none when there is no open incident, and what there is to say, in order of time."""

    state: TrackState | None
    updates: list[IncidentUpdate]


def apply(state: TrackState | None, group: ErrorGroup, settings: Settings) -> Step:
    """Add a group, after advancing to its second. Groups that are not late come in order of their seconds.

    A group that is late, or of a second before the clock (after a restore the watermark starts anew), is added to the
    open incident and to its `late` counter. Without one it goes uncounted: compare the returned state with `None`.
    """
    if group.late or (state is not None and group.second < state.clock):
        return Step(_add_late(state, group), [])
    state, updates = advance(state, group.second * MS, settings)
    if state is not None:
        return Step(_add(state, group), updates)
    state, opened = _open(group, settings)
    state, told = advance(state, group.second * MS, settings)
    return Step(state, updates + opened + told)


def advance(state: TrackState | None, now: int, settings: Settings) -> Step:
    """Tell what is due by `now`, epoch milliseconds of arrival time: all groups of the seconds before are there."""
    updates: list[IncidentUpdate] = []
    while state is not None and (due := _next_instant(state, settings.track)) * MS <= now:
        state, told = _tell(state, due, settings.track)
        updates += told
    if state is not None:
        state = state.model_copy(update={"clock": max(state.clock, now // MS)})
    return Step(state, updates)


def close(state: TrackState, end: int, settings: Settings) -> Step:
    """Tell what must not be lost when a bounded run is over; `end` is the epoch second that was certainly reached.

    What was due by `end` is told as always. After it nothing is invented but this: a `FIRING` that is still waiting is
    told at its instant, and counts that are in no document yet are documented.
    """
    open_state, updates = advance(state, end * MS, settings)
    if open_state is not None and open_state.told is None:
        open_state, told = _tell(open_state, _next_instant(open_state, settings.track), settings.track)
        updates += told
    if open_state is not None and open_state.incident.count != open_state.documented:
        at = max(open_state.clock, open_state.last_second + 1)
        open_state, told = _document(open_state, IncidentEvent.COUNTED, at, settings.track)
        updates += told
    return Step(open_state, updates)


def next_deadline(state: TrackState, settings: Settings) -> int:
    """Return the arrival time, epoch milliseconds, at which `advance` may next have something to tell."""
    return _next_instant(state, settings.track) * MS


def _next_instant(state: TrackState, settings: TrackSettings) -> int:
    end = state.last_second + settings.resolve_after_seconds
    if state.told is None:
        return min(state.incident.started + settings.group_wait_seconds, end)
    if state.incident.count == state.documented:
        return end
    reached = _interval(state, max(state.clock, state.last_second), settings)
    return min(state.incident.started + (reached + 1) * settings.group_interval_seconds, end)


def _interval(state: TrackState, second: int, settings: TrackSettings) -> int:
    return (second - state.incident.started) // settings.group_interval_seconds


def _tell(state: TrackState, at: int, settings: TrackSettings) -> Step:
    """Say what is due at an instant: an alert before its end, news or counts at a boundary, or the end."""
    if state.told is None:
        return _tell_of(state, IncidentEvent.FIRING, at, settings)
    if at >= state.last_second + settings.resolve_after_seconds:
        resolved = state.incident.model_copy(update={"state": IncidentState.RESOLVED})
        update = _document(state.model_copy(update={"incident": resolved}), IncidentEvent.RESOLVED, at, settings)
        return Step(None, update.updates)
    if _is_news(state.incident, state.told, at, settings):
        return _tell_of(state, IncidentEvent.UPDATED, at, settings)
    return _document(state, IncidentEvent.COUNTED, at, settings)


def _is_news(incident: Incident, told: Told, at: int, settings: TrackSettings) -> bool:
    doubled = incident.count >= 2 * told.count
    rose = most_severe(incident.severity, told.severity) != told.severity
    return doubled or rose or at - told.at >= settings.repeat_interval_seconds


def _tell_of(state: TrackState, event: IncidentEvent, at: int, settings: TrackSettings) -> Step:
    told = Told(at=at, count=state.incident.count, severity=state.incident.severity)
    return _document(state.model_copy(update={"told": told}), event, at, settings)


def _document(state: TrackState, event: IncidentEvent, at: int, settings: TrackSettings) -> Step:
    incident = state.incident.model_copy(update={"revision": state.incident.revision + 1})
    update = IncidentUpdate(event=event, at=at * MS, interval=_interval(state, at, settings), incident=incident)
    return Step(state.model_copy(update={"incident": incident, "documented": incident.count}), [update])


def _open(group: ErrorGroup, settings: Settings) -> Step:
    incident = Incident(
        id=incident_id(settings.environment, group.rules_version, group.fingerprint, group.second),
        environment=settings.environment,
        rules_version=group.rules_version,
        fingerprint=group.fingerprint,
        service=group.service,
        severity=group.severity,
        title=group.title,
        template=group.template,
        started=group.second,
        first_seen=group.first_seen,
        last_seen=group.last_seen,
        count=group.count,
        revision=0,
        exception_type=group.exception_type,
        exemplars=group.exemplars,
        overflow=group.overflow,
    )
    state = TrackState(incident=incident, clock=group.second, last_second=group.second, documented=0)
    return _document(state, IncidentEvent.OPENED, group.second, settings.track)


def _add(state: TrackState, group: ErrorGroup) -> TrackState:
    incident = _with_counts(state.incident, group, {"last_seen": max(state.incident.last_seen, group.last_seen)})
    return state.model_copy(update={"incident": incident, "last_second": max(state.last_second, group.second)})


def _add_late(state: TrackState | None, group: ErrorGroup) -> TrackState | None:
    """Add a late group; it moves neither the start nor the end of an incident."""
    if state is None:
        return None
    incident = _with_counts(state.incident, group, {"late": state.incident.late + group.count})
    return state.model_copy(update={"incident": incident})


def _with_counts(incident: Incident, group: ErrorGroup, changes: dict[str, int]) -> Incident:
    return incident.model_copy(
        update={
            **changes,
            "count": incident.count + group.count,
            "severity": most_severe(incident.severity, group.severity),
            "exemplars": merge_exemplars(incident.exemplars, group.exemplars),
        }
    )
