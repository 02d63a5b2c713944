"""What a message of the inbox says of itself."""

from typing import Any

from local.audit import read_alert
from schemas.alert import Alert, AlertKind
from tests.unit.test_notify_blocks import RAISED, incident
from udfs.ids import alert_id
from udfs.notify.blocks import Message, render, render_plain
from udfs.notify.texts import EN

RECEIVED = RAISED + 1_000


def firing() -> Message:
    of = incident()
    identity = alert_id(of.id, "alerts", AlertKind.FIRING, 0)
    return Message(
        Alert(id=identity, kind=AlertKind.FIRING, channel="alerts", incident=of, interval=0, raised_at=RAISED), None
    )


def taken(payload: dict[str, Any]) -> dict[str, Any]:
    return {"channel": "alerts", "received_at_ms": RECEIVED, "payload": payload}


def test_a_message_names_its_alert_and_incident() -> None:
    message = firing()

    read = read_alert(taken(render(message, EN, RAISED)))

    assert read == (message.alert.id, message.alert.incident.id, RECEIVED, True)


def test_a_message_without_blocks_names_its_incident_only() -> None:
    message = firing()

    read = read_alert(taken(render_plain(message, EN, RAISED)))

    assert (read.incident_id, read.received_at, read.is_first) == (message.alert.incident.id, RECEIVED, False)
