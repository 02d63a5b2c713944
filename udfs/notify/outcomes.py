"""What may become of a post to Slack and of a question to the ledger."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sent:
    """Slack took the message."""


@dataclass(frozen=True)
class RetryAfter:
    """Slack wants to be left alone for a while; `seconds` is None where it did not say for how long."""

    seconds: float | None


@dataclass(frozen=True)
class Failed:
    """The message was not taken, and may be later."""

    reason: str


@dataclass(frozen=True)
class Rejected:
    """The message as it is will never be taken."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """The message left, and no answer came: it may have been taken."""

    reason: str


Outcome = Sent | RetryAfter | Failed | Rejected | Unknown


@dataclass(frozen=True)
class Claimed:
    """The alert is ours to post."""


@dataclass(frozen=True)
class Held:
    """Another process claimed the alert and has not said what became of it. `token` names that very claim."""

    token: str


@dataclass(frozen=True)
class Told:
    """The alert is done with: a process said so. `posted` is False where Slack refused it for good.

    `analysed` says whether the message carried a grounded analysis.
    """

    posted: bool
    analysed: bool


@dataclass(frozen=True)
class Unguarded:
    """The ledger did not answer: the alert goes out without its guard."""


Claim = Claimed | Held | Told | Unguarded
