"""The ledger of alerts in OpenSearch: the second guard, behind the outbox in Flink's state, against telling twice.

State goes back to the last checkpoint when a job restarts; the ledger does not. A document per alert id is created
before the post (a claim) and overwritten after it (told). A claim that a process left behind says that Slack's answer
is unknown: its successor waits until that process can no longer be posting, and if the claim still stands, takes it
over with `if_seq_no` and posts. So an alert is never lost, and told twice only where the answer of Slack was lost.
"""

from typing import Any, Protocol

from opensearchpy.exceptions import ConflictError, OpenSearchException

from schemas.alert import Alert
from udfs.breaker import Breaker
from udfs.notify.outcomes import Claim, Claimed, Held, Told, Unguarded

INDEX = "alert-ledger"
COOL_DOWN_SECONDS = 15.0

_CLAIMED = "claimed"
_POSTED = "posted"
_FAILED = "failed"


class Client(Protocol):
    """What the ledger needs of `opensearchpy.OpenSearch`."""

    def create(self, *, index: Any, id: Any, body: Any, params: Any) -> Any:  # noqa: A002 - opensearch-py's name
        """Create a document."""

    def get(self, *, index: Any, id: Any, params: Any) -> Any:  # noqa: A002 - opensearch-py's name
        """Read a document."""

    def index(self, *, index: Any, id: Any, body: Any, params: Any) -> Any:  # noqa: A002 - opensearch-py's name
        """Write a document."""


class Ledger:
    """Claims alerts and remembers what became of them.

    `owner` names this process and no other, ever. A request takes `timeout_seconds` at most; after one failure nothing
    is asked for `COOL_DOWN_SECONDS`, so that a dead OpenSearch costs next to nothing for each alert.
    """

    def __init__(self, client: Client, prefix: str, owner: str, timeout_seconds: float) -> None:
        self._client = client
        self._index = prefix + INDEX
        self._owner = owner
        self._timeout = timeout_seconds
        self._breaker = Breaker(failures=1, cool_down_seconds=COOL_DOWN_SECONDS)

    @property
    def is_down(self) -> bool:
        """Whether it is not asked but for one probe per cool-down."""
        return self._breaker.is_open

    def claim(self, alert: Alert, token: str | None, now: int, monotonic: float) -> Claim:
        """Claim an alert for one post.

        Args:
            alert: what is to be posted.
            token: of the foreign claim that was waited out, from an earlier `Held`.
            now: epoch milliseconds, for the document.
            monotonic: seconds, for the breaker.
        """
        if not self._breaker.allows(monotonic):
            return Unguarded()
        try:
            claim = self._claim(alert, token, now)
        except OpenSearchException:
            self._breaker.failed(monotonic)
            return Unguarded()
        self._breaker.succeeded()
        return claim

    def settle(self, alert: Alert, told: Told, now: int, monotonic: float) -> bool:
        """Remember that an alert is done with; say whether the ledger took it."""
        if not self._breaker.allows(monotonic):
            return False
        body = self._document(alert, _POSTED if told.posted else _FAILED, now) | {"analysed": told.analysed}
        try:
            self._client.index(index=self._index, id=alert.id, body=body, params=self._params())
        except OpenSearchException:
            self._breaker.failed(monotonic)
            return False
        self._breaker.succeeded()
        return True

    def _claim(self, alert: Alert, token: str | None, now: int) -> Claim:
        body = self._document(alert, _CLAIMED, now)
        try:
            self._client.create(index=self._index, id=alert.id, body=body, params=self._params())
        except ConflictError:
            return self._look_again(alert, token, body)
        return Claimed()

    def _look_again(self, alert: Alert, token: str | None, body: dict[str, Any]) -> Claim:
        found = self._client.get(index=self._index, id=alert.id, params=self._params())
        source = found["_source"]
        if source["status"] in {_POSTED, _FAILED}:
            return Told(posted=source["status"] == _POSTED, analysed=source["analysed"])
        if source["owner"] == self._owner:
            return Claimed()
        current = f"{found['_seq_no']}/{found['_primary_term']}"
        if current != token:
            return Held(current)
        return self._take_over(alert, body, found)

    def _take_over(self, alert: Alert, body: dict[str, Any], found: dict[str, Any]) -> Claim:
        condition = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
        try:
            self._client.index(index=self._index, id=alert.id, body=body, params=self._params() | condition)
        except ConflictError:
            # It moved after all: its owner lives, or somebody else was quicker. Look again later.
            return Held("moved")
        return Claimed()

    def _document(self, alert: Alert, status: str, now: int) -> dict[str, Any]:
        return {
            "status": status,
            "owner": self._owner,
            "incident_id": alert.incident.id,
            "channel": alert.channel,
            "kind": alert.kind.value,
            "analysed": False,
            "claimed_at" if status == _CLAIMED else "posted_at": now,
        }

    def _params(self) -> dict[str, Any]:
        return {"request_timeout": self._timeout}
