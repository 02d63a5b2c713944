"""From the outbox to Slack: claim, post, settle; one alert at a time."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from jobs.log_insight.metrics import (
    ALERT_DELAY,
    ALERTS,
    ALERTS_POSTED,
    BREAKER_OPEN,
    LEDGER_MISSES,
    POST_SECONDS,
    POSTS,
)
from schemas.alert import Alert, AlertKind
from schemas.incident_document import IncidentDocument
from udfs.meters import Meters
from udfs.notify.blocks import Message, render, render_plain
from udfs.notify.ledger import Ledger
from udfs.notify.outbox import Delivery, Outbox
from udfs.notify.outcomes import Failed, Held, Outcome, Rejected, RetryAfter, Sent, Told, Unguarded, Unknown
from udfs.notify.slack import Slack
from udfs.notify.texts import Texts

#: At the end of a bounded input: how long the outbox may be without progress before the rest is reported as an error.
MAX_STANDSTILL_SECONDS = 120.0

_OUTCOMES = {
    Sent: "sent",
    RetryAfter: "rate_limited",
    Failed: "failed",
    Rejected: "rejected",
    Unknown: "unknown",
}


class UndeliveredError(Exception):
    """Input has ended and alerts are left that could not be posted. They are in the last checkpoint."""


class Clock(NamedTuple):
    """Seconds since the epoch, seconds of a monotonic clock, and a way to wait for some seconds."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]


class Dispatcher:
    """Posts what an outbox holds. `meters` are those of the operator `notify`."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        ledger: Ledger,
        slack: Slack,
        texts: Texts,
        clock: Clock,
        meters: Meters,
        dashboard_url: str | None = None,
    ) -> None:
        self._outbox = outbox
        self._ledger = ledger
        self._slack = slack
        self._texts = texts
        self._clock = clock
        self._meters = meters
        self._dashboard_url = dashboard_url

    def dispatch(self, now: int) -> list[IncidentDocument]:
        """Post the alert that is due at `now`, epoch milliseconds; return the documents that changed."""
        delivery = self._outbox.delivery(now)
        if delivery is None:
            return []
        try:
            return self._deliver(delivery)
        finally:
            self._meters.set(BREAKER_OPEN, self._ledger.is_down, dependency="ledger")

    def _deliver(self, delivery: Delivery) -> list[IncidentDocument]:
        alert = delivery.entry.alert
        claim = self._ledger.claim(alert, delivery.entry.claim, self._now(), self._clock.monotonic())
        if isinstance(claim, Told | Held):
            if isinstance(claim, Told):
                self._meters.add(ALERTS, result="already_told")
            return self._outbox.on_claim(delivery, claim, self._now())
        if isinstance(claim, Unguarded):
            self._meters.add(LEDGER_MISSES, step="claim")
        with self._meters.timed(POST_SECONDS):
            outcome = self._slack.post(alert.channel, self._message(delivery), self._clock.wall())
        self._meters.add(POSTS, outcome=_OUTCOMES[type(outcome)])
        self._settle(delivery, outcome)
        return self._outbox.on_outcome(delivery, outcome, self._now())

    def flush(self, channel: str) -> Iterator[IncidentDocument]:
        """Empty the outbox, however long its pauses, as long as it makes progress; yield the documents that change.

        Raises:
            UndeliveredError: nothing went out for `MAX_STANDSTILL_SECONDS`, or would before the next try.
        """
        self._outbox.release_all()
        progress = self._now()
        while (due := self._outbox.next_due()) is not None:
            if due - progress > MAX_STANDSTILL_SECONDS * 1000:
                raise UndeliveredError(f"{self._outbox.size()} alerts to channel {channel!r} could not be posted")
            self._clock.sleep(max(0, due - self._now()) / 1000)
            before = self._outbox.size()
            yield from self.dispatch(max(due, self._now()))
            if self._outbox.size() < before:
                progress = self._now()

    def _message(self, delivery: Delivery) -> dict[str, object]:
        message = Message(delivery.entry.alert, delivery.analysis, delivery.told_count, self._dashboard_url)
        return (render_plain if delivery.entry.plain else render)(message, self._texts, self._now())

    def _settle(self, delivery: Delivery, outcome: Outcome) -> None:
        """Count what is final, and tell the ledger."""
        is_set_aside = isinstance(outcome, Rejected) and delivery.entry.plain
        if is_set_aside:
            self._meters.add(ALERTS, result="rejected")
        if isinstance(outcome, Sent):
            self._count_posted(delivery.entry.alert)
        if isinstance(outcome, Sent) or is_set_aside:
            told = Told(posted=not is_set_aside, analysed=delivery.analysed)
            if not self._ledger.settle(delivery.entry.alert, told, self._now(), self._clock.monotonic()):
                self._meters.add(LEDGER_MISSES, step="settle")

    def _count_posted(self, alert: Alert) -> None:
        self._meters.add(ALERTS, result="posted")
        self._meters.add(ALERTS_POSTED, kind=alert.kind.value)
        if alert.kind is AlertKind.FIRING:
            self._meters.observe(ALERT_DELAY, max(0, self._now() - alert.incident.first_seen) / 1000)

    def _now(self) -> int:
        return int(self._clock.wall() * 1000)
