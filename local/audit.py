"""What the stores hold, held against what was sent. Nothing here asks the job."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson
from opensearchpy import OpenSearch

from jobs.commands.lines import read_lines
from jobs.commands.objects import Folder, folder
from jobs.log_insight.opensearch import connect
from jobs.log_insight.settings import Secrets, Settings
from local.generator.failures import FailureKind
from local.generator.manifest import Manifest
from schemas.alert import AlertKind
from udfs.ids import alert_id

INCIDENT_FIELDS = ["id", "fingerprint", "service", "severity", "started", "first_seen", "last_seen", "count", "late"]

_PAGE = 5_000
_KEEP_ALIVE = "1m"


class Alerted(NamedTuple):
    """A message in the inbox: its alert and incident, when it arrived (epoch milliseconds), whether it is the first."""

    alert_id: str
    incident_id: str
    received_at: int
    is_first: bool


class Document(NamedTuple):
    """What the audit needs of an archived line."""

    id: str
    service: str
    body: str
    fingerprint: str | None


class Findings(NamedTuple):
    """What was found. `failures` has, for each failure that was sent, the first alerts that tell of it.

    Each should have one; an analysis that came late is an update, and no first alert.
    """

    sent: int
    archived: int
    indexed: int
    dead_letters: int
    lost: int
    duplicated: int
    incidents: int
    alerts: int
    duplicate_alerts: int
    failures: dict[str, list[Alerted]]
    first_alert_seconds: list[float]

    @property
    def sound(self) -> bool:
        """Whether nothing is missing, nothing is there twice, and every failure was told of exactly once."""
        return (
            self.lost == self.duplicated == self.duplicate_alerts == 0
            and self.indexed == self.archived
            and all(len(alerts) == 1 for alerts in self.failures.values())
        )


class Stores:
    """Read access to archive, dead letters and indices of a job's settings."""

    def __init__(self, settings: Settings, secrets: Secrets) -> None:
        self._settings = settings
        self._secrets = secrets

    def archive(self) -> Iterator[Document]:
        """Yield every line of the archive, as often as it is there."""
        for line in _lines(folder(self._settings.store.archive, self._settings.aws)):
            yield Document(line["id"], line["service.name"], line["body"], line.get("fingerprint"))

    def dead_letter_ids(self) -> list[str]:
        """Return the id of every dead letter, as often as it is there."""
        return [line["id"] for line in _lines(folder(self._settings.store.dead_letters, self._settings.aws))]

    def receipts(self) -> Iterator[dict[str, Any]]:
        """Yield every receipt."""
        return _lines(folder(self._settings.store.receipts, self._settings.aws))

    def markers(self) -> Iterator[dict[str, Any]]:
        """Yield every revision of every hour's marker."""
        return _lines(folder(self._settings.store.markers, self._settings.aws))

    def indexed_ids(self) -> Counter[str]:
        """Count the documents of every record id in the log indices."""
        return Counter(document["id"] for document in self.log_documents(["id"]))

    def indexed_count(self) -> int:
        """Return how many log documents there are; quicker than `indexed_ids`."""
        with connect(self._settings.index, self._secrets) as client:
            client.indices.refresh(index=f"{self._settings.index.prefix}logs-*", params={"ignore_unavailable": "true"})
            answer = client.count(index=f"{self._settings.index.prefix}logs-*", params={"ignore_unavailable": "true"})
            count: int = answer["count"]
            return count

    def log_documents(self, fields: list[str]) -> Iterator[dict[str, Any]]:
        """Yield these fields of every document in the log indices."""
        return (hit["_source"] for hit in self._hits("logs-*", fields))

    def incidents(self, *more: str) -> list[dict[str, Any]]:
        """Return `INCIDENT_FIELDS`, and `more`, of every incident document."""
        return [hit["_source"] for hit in self._hits("incidents", [*INCIDENT_FIELDS, *more])]

    def _hits(self, index: str, fields: list[str]) -> Iterator[dict[str, Any]]:
        with connect(self._settings.index, self._secrets) as client:
            yield from _scroll(client, f"{self._settings.index.prefix}{index}", fields)


def audit(
    manifest: Manifest, stores: Stores, messages: Iterable[dict[str, Any]], kinds: Iterable[FailureKind]
) -> Findings:
    """Hold the stores against the manifest.

    Args:
        manifest: what the generator sent.
        stores: where the job wrote.
        messages: what the Slack inbox took.
        kinds: the failures of the story; a failure's incident is found by the text of its archived lines.
    """
    documents = list(stores.archive())
    archived, dead = Counter(document.id for document in documents), Counter(stores.dead_letter_ids())
    indexed = stores.indexed_ids()
    arrived = archived + dead
    sent = manifest.lines + manifest.dead_letters
    incidents = stores.incidents()
    alerts = [read_alert(message) for message in messages]
    failures = _alerts_by_failure(documents, incidents, alerts, kinds)
    return Findings(
        sent=sent,
        archived=len(archived),
        indexed=len(indexed),
        dead_letters=len(dead),
        lost=max(0, manifest.lines - len(archived)) + max(0, manifest.dead_letters - len(dead)),
        duplicated=arrived.total() - len(arrived) + indexed.total() - len(indexed),
        incidents=len(incidents),
        alerts=len(alerts),
        duplicate_alerts=len(alerts) - len({alert.alert_id for alert in alerts}),
        failures=failures,
        first_alert_seconds=_first_alert_seconds(manifest, failures),
    )


def percentile(values: list[float], share: float) -> float | None:
    """Return the smallest value that at least `share` of the values do not exceed; None without values."""
    if not values:
        return None
    return sorted(values)[math.ceil(share * len(values)) - 1]


def _alerts_by_failure(
    documents: Iterable[Document],
    incidents: Iterable[dict[str, Any]],
    alerts: list[Alerted],
    kinds: Iterable[FailureKind],
) -> dict[str, list[Alerted]]:
    beginnings = {kind.name: (kind.service, kind.content.partition("{")[0]) for kind in kinds}
    fingerprints: dict[str, set[str]] = {name: set() for name in beginnings}
    for document in documents:
        for name, (service, beginning) in beginnings.items():
            if document.fingerprint and document.service == service and document.body.startswith(beginning):
                fingerprints[name].add(document.fingerprint)
    incident_of = {incident["id"]: incident["fingerprint"] for incident in incidents}
    return {
        name: [alert for alert in alerts if alert.is_first and incident_of.get(alert.incident_id) in wanted]
        for name, wanted in fingerprints.items()
    }


def _first_alert_seconds(manifest: Manifest, failures: dict[str, list[Alerted]]) -> list[float]:
    return [
        (min(alert.received_at for alert in failures[failure.name]) - failure.first_put_ms) / 1000
        for failure in manifest.failures
        if failure.first_put_ms is not None and failures.get(failure.name)
    ]


def read_alert(message: dict[str, Any]) -> Alerted:
    """Return what a message of the inbox says of itself in its last block.

    A message without blocks, as is sent after Slack refused some, names its incident only: it is an alert of its own,
    and never a first one.
    """
    payload, received_at = message["payload"], message["received_at_ms"]
    if "blocks" not in payload:
        incident_id = _incident_in(payload["text"].rpartition("\n")[2])
        return Alerted(f"{incident_id} as text at {received_at}", incident_id, received_at, is_first=False)
    footer = payload["blocks"][-1]
    incident_id = _incident_in(footer["elements"][0]["text"])
    first = alert_id(incident_id, message["channel"], AlertKind.FIRING, 0)
    return Alerted(footer["block_id"], incident_id, received_at, footer["block_id"] == first)


def _incident_in(footer: str) -> str:
    return footer.partition("`")[2].partition("`")[0]


def _lines(place: Folder) -> Iterator[dict[str, Any]]:
    for name in place.names(""):
        with place.open(name) as stream:
            yield from map(orjson.loads, read_lines(stream))


def _scroll(client: OpenSearch, index: str, fields: list[str]) -> Iterator[dict[str, Any]]:
    client.indices.refresh(index=index, params={"ignore_unavailable": "true"})
    page = client.search(
        index=index,
        body={"_source": fields, "sort": ["_doc"], "size": _PAGE},
        params={"scroll": _KEEP_ALIVE, "ignore_unavailable": "true", "request_timeout": 30},
    )
    while page["hits"]["hits"]:
        yield from page["hits"]["hits"]
        page = client.scroll(body={"scroll_id": page["_scroll_id"], "scroll": _KEEP_ALIVE})
