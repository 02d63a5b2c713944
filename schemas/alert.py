"""What a channel is told of an incident."""

from enum import StrEnum

from schemas.base import WireModel
from schemas.incident import Incident


class AlertKind(StrEnum):
    """Why a message is sent. `ANALYSIS` is an analysis that came after its incident's first alert."""

    FIRING = "firing"
    UPDATE = "update"
    ROLLUP = "rollup"
    ANALYSIS = "analysis"


class Alert(WireModel):
    """One message to one channel.

    `id` is a hash of incident, channel, kind and interval (`udfs.ids.alert_id`): two alerts with one id are
    one alert. `raised_at` is epoch milliseconds of arrival time. `rolled_up` counts the incidents that a `ROLLUP`
    stands for, `incident` being the one that tipped the balance.
    """

    id: str
    kind: AlertKind
    channel: str
    incident: Incident
    interval: int
    raised_at: int
    analysis_expected: bool = False
    rolled_up: int = 0


class Routed(WireModel):
    """What `gate` sends to `notify`: an incident for its document, and an alert where one is due."""

    channel: str
    incident: Incident
    alert: Alert | None = None
