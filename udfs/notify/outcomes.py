"""What may become of a post to Slack and of a question to the ledger."""

from typing import NamedTuple


class Sent(NamedTuple):
    """Slack took the message."""


class RetryAfter(NamedTuple):
    """Slack wants to be left alone for a while; `seconds` is None where it did not say for how long."""

    seconds: float | None


class Failed(NamedTuple):
    """The message was not taken, and may be later."""

    reason: str


class Rejected(NamedTuple):
    """The message as it is will never be taken."""

    reason: str


class Unknown(NamedTuple):
    """The message left, and no answer came: it may have been taken."""

    reason: str


Outcome = Sent | RetryAfter | Failed | Rejected | Unknown


class Claimed(NamedTuple):
    """The alert is ours to post."""


class Held(NamedTuple):
    """Another process claimed the alert and has not said what became of it. `token` names that very claim."""

    token: str


class Told(NamedTuple):
    """The alert is done with: a process said so. `posted` is False where Slack refused it for good.

    `analysed` says whether the message carried a grounded analysis.
    """

    posted: bool
    analysed: bool


class Unguarded(NamedTuple):
    """The ledger did not answer: the alert goes out without its guard."""


Claim = Claimed | Held | Told | Unguarded
