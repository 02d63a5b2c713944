"""What a message of the inbox says of itself."""

from typing import Any

from local.audit import read_alert
from schemas.alert import Alert, AlertKind
from schemas.incident import Incident
from schemas.log_entry import Severity
from udfs.ids import alert_id
from udfs.notify.blocks import Message, render, render_plain
from udfs.notify.texts import EN

RAISED = 1_763_800_005_000  # 2025-11-22T08:26:45Z
RECEIVED = RAISED + 1_000
INCIDENT = Incident(
    id="00000000000000aa",
    environment="prod",
    rules_version="2026-01-01",
    fingerprint="00000000000000ff",
    service="payment-api",
    severity=Severity.ERROR,
    title="DB Connection timeout",
    template="DB Connection timeout",
    started=RAISED // 1000 - 5,
    first_seen=RAISED - 5_000,
    last_seen=RAISED - 1_000,
    count=7,
    revision=2,
    exemplars=(),
)


def firing() -> Message:
    of = INCIDENT
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
