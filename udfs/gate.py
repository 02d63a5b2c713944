"""Who is told of what: the channel, storm roll-up and the budget of analyses, for one service.

Updates of different fingerprints come in no certain order, so they wait until their instant is over (`settles_at`) and
are then decided together, sorted. Equal updates so lead to equal alerts, also after a restore.

A storm is more new incidents of a service within 60 s than the setting allows. From the one that tips it on, new
incidents are documented but not told one by one, until for a `group_interval` no further one has tipped it again. The
service's channel gets one `ROLLUP` instead, `group_wait` after the storm's start, and then at most one each
`group_interval` if more have joined. News of an incident that was rolled up are told once the storm is over. Incidents
that were told of before stay what they are. The overflow incident is the sign of the flood itself: it is always told
of, never analysed, and does not count towards a storm.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import NamedTuple

from pydantic import Field

from jobs.log_insight.settings import GateSettings, Settings, TrackSettings
from schemas.alert import Alert, AlertKind, Routed
from schemas.analysis import AnalysisRequest
from schemas.base import WireModel
from schemas.incident import Incident, IncidentEvent, IncidentUpdate
from udfs.ids import alert_id

_MS = 1_000
_MINUTE_MS = 60_000
_HOUR_MS = 3_600_000

_ALERTS = {IncidentEvent.FIRING: AlertKind.FIRING, IncidentEvent.UPDATED: AlertKind.UPDATE}


class Standing(StrEnum):
    """How an open incident is treated."""

    ANALYSED = "analysed"
    NOT_ANALYSED = "not_analysed"
    ROLLED_UP = "rolled_up"


class Storm(WireModel):
    """A storm of new incidents. Times are epoch milliseconds of arrival.

    `tip` is the incident that tipped it, as last heard of; `until` its end as known so far; `untold` counts the
    incidents no roll-up has told of, and `due` is when one will, unset while there are none.
    """

    started: int
    until: int
    tip: Incident
    untold: int = 0
    due: int | None = None


class GateState(WireModel):
    """What is known of one service.

    `opened` are the latest openings, epoch milliseconds, no more than make a storm; `standings` has each open incident
    by id; `analyses` were asked for in the arrival hour `hour` (epoch hours).
    """

    opened: tuple[int, ...] = ()
    standings: dict[str, Standing] = Field(default_factory=dict)
    storm: Storm | None = None
    hour: int = -1
    analyses: int = 0


class Step(NamedTuple):
    """A new state, and what to send."""

    state: GateState
    routed: list[Routed]
    requests: list[AnalysisRequest]


class Decisions(NamedTuple):
    """What was decided in a step, to count by: alerts that a roll-up stands for, and new incidents by analysis."""

    throttled: int
    asked: int
    over_budget: int
    storm: int


def settles_at(update: IncidentUpdate) -> int:
    """Return the arrival time, epoch milliseconds, at which all updates of the same instant are certainly there.

    An opening is only known when its second is over.
    """
    return max(update.at, (update.incident.started + 1) * _MS - 1)


def settle(state: GateState, updates: Iterable[IncidentUpdate], now: int, settings: Settings) -> Step:
    """Decide on the updates that settled at `now`, epoch milliseconds of arrival time, and on roll-ups due by then."""
    routed: list[Routed] = []
    requests: list[AnalysisRequest] = []
    for update in sorted(updates, key=lambda update: (update.at, update.incident.id, update.incident.revision)):
        # A roll-up that is due at this very instant waits for all that opens in it.
        state, rolled_up = _roll_up(state, update.at - 1, settings)
        state, request = _register(state, update, settings)
        routed += [*rolled_up, _route(state, update, settings.gate)]
        requests += [request] if request else []
        state = _forget_resolved(state, update)
    state, rolled_up = _roll_up(state, now, settings)
    return Step(state, routed + rolled_up, requests)


def decisions(updates: Sequence[IncidentUpdate], step: Step) -> Decisions:
    """Return what `settle` decided on these updates. The overflow incident is never analysed and not counted."""
    due = sum(update.event in _ALERTS for update in updates)
    told = sum(routed.alert is not None and routed.alert.kind is not AlertKind.ROLLUP for routed in step.routed)
    opened = [
        update.incident for update in updates if update.event is IncidentEvent.OPENED and not update.incident.overflow
    ]
    storm = sum(step.state.standings.get(incident.id) is Standing.ROLLED_UP for incident in opened)
    asked = len(step.requests)
    return Decisions(due - told, asked, len(opened) - asked - storm, storm)


def next_deadline(state: GateState) -> int | None:
    """Return the arrival time, epoch milliseconds, of the next roll-up."""
    return state.storm.due if state.storm else None


def channel_of(service: str, settings: GateSettings) -> str:
    """Return the channel that is told of a service."""
    return settings.routes.get(service, settings.default_channel)


def _register(state: GateState, update: IncidentUpdate, settings: Settings) -> tuple[GateState, AnalysisRequest | None]:
    """Note what an update changes for the service; an opening may ask for an analysis."""
    storm = state.storm
    if storm and storm.tip.id == update.incident.id:
        state = state.model_copy(update={"storm": storm.model_copy(update={"tip": update.incident})})
    if update.event is not IncidentEvent.OPENED:
        return state, None
    if update.incident.overflow:
        return _with_standing(state, update.incident, Standing.NOT_ANALYSED), None
    return _register_opening(state, update, settings)


def _register_opening(
    state: GateState, update: IncidentUpdate, settings: Settings
) -> tuple[GateState, AnalysisRequest | None]:
    threshold = settings.gate.storm_incidents_per_minute
    recent = tuple(opened for opened in state.opened if abs(update.at - opened) < _MINUTE_MS)
    state = state.model_copy(update={"opened": (*recent, update.at)[-threshold:]})
    tips = len(recent) >= threshold
    if tips or (state.storm and update.at < state.storm.until):
        storm = _join(state.storm, update, settings.track, tips=tips)
        return _with_standing(state.model_copy(update={"storm": storm}), update.incident, Standing.ROLLED_UP), None
    return _ask(state, update, settings.gate)


def _ask(state: GateState, update: IncidentUpdate, settings: GateSettings) -> tuple[GateState, AnalysisRequest | None]:
    hour = update.at // _HOUR_MS
    spent = state.analyses if hour == state.hour else 0
    if spent >= settings.analyses_per_hour:
        return _with_standing(state, update.incident, Standing.NOT_ANALYSED), None
    state = state.model_copy(update={"hour": hour, "analyses": spent + 1})
    request = AnalysisRequest(channel=channel_of(update.incident.service, settings), incident=update.incident)
    return _with_standing(state, update.incident, Standing.ANALYSED), request


def _join(storm: Storm | None, update: IncidentUpdate, settings: TrackSettings, *, tips: bool) -> Storm:
    """Add an incident to the storm that goes on, or else to a new one."""
    until = update.at + settings.group_interval_seconds * _MS
    if storm is None or (update.at >= storm.until and storm.due is None):
        due = update.at + settings.group_wait_seconds * _MS
        return Storm(started=update.at, until=until, tip=update.incident, untold=1, due=due)
    due = storm.due if storm.due is not None else _boundary_after(storm, update.at, settings)
    until = max(storm.until, until) if tips else storm.until
    return storm.model_copy(update={"until": until, "untold": storm.untold + 1, "due": due})


def _boundary_after(storm: Storm, at: int, settings: TrackSettings) -> int:
    return storm.started + (_interval(storm, at, settings) + 1) * settings.group_interval_seconds * _MS


def _interval(storm: Storm, at: int, settings: TrackSettings) -> int:
    return (at - storm.started) // (settings.group_interval_seconds * _MS)


def _roll_up(state: GateState, now: int, settings: Settings) -> tuple[GateState, list[Routed]]:
    """Tell of the storm, if that is due."""
    storm = state.storm
    if storm is None or storm.due is None or storm.due > now:
        return state, []
    channel = channel_of(storm.tip.service, settings.gate)
    interval = _interval(storm, storm.due, settings.track)
    alert = Alert(
        id=alert_id(storm.tip.id, channel, AlertKind.ROLLUP, interval),
        kind=AlertKind.ROLLUP,
        channel=channel,
        incident=storm.tip,
        interval=interval,
        raised_at=storm.due,
        rolled_up=storm.untold,
    )
    told = storm.model_copy(update={"untold": 0, "due": None})
    return state.model_copy(update={"storm": told}), [Routed(channel=channel, incident=storm.tip, alert=alert)]


def _route(state: GateState, update: IncidentUpdate, settings: GateSettings) -> Routed:
    """Send an incident to its channel for its document, with an alert where one is due."""
    channel = channel_of(update.incident.service, settings)
    # Unknown is what was opened before its state was lost: better told without its analysis than not at all.
    standing = state.standings.get(update.incident.id, Standing.NOT_ANALYSED)
    kind = _ALERTS.get(update.event)
    if kind is None or (standing is Standing.ROLLED_UP and _is_told_by_roll_up(state, update)):
        return Routed(channel=channel, incident=update.incident)
    alert = Alert(
        id=alert_id(update.incident.id, channel, kind, update.interval),
        kind=kind,
        channel=channel,
        incident=update.incident,
        interval=update.interval,
        raised_at=update.at,
        analysis_expected=standing is Standing.ANALYSED,
    )
    return Routed(channel=channel, incident=update.incident, alert=alert)


def _is_told_by_roll_up(state: GateState, update: IncidentUpdate) -> bool:
    """Say whether the roll-up speaks for a rolled-up incident: of its beginning always, of its news while it storms."""
    return update.event is IncidentEvent.FIRING or (state.storm is not None and update.at < state.storm.until)


def _with_standing(state: GateState, incident: Incident, standing: Standing) -> GateState:
    return state.model_copy(update={"standings": {**state.standings, incident.id: standing}})


def _forget_resolved(state: GateState, update: IncidentUpdate) -> GateState:
    if update.event is not IncidentEvent.RESOLVED:
        return state
    left = {incident: standing for incident, standing in state.standings.items() if incident != update.incident.id}
    return state.model_copy(update={"standings": left})
