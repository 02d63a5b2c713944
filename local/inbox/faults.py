"""How an inbox can be told to fail."""

import threading

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """One way to fail, for the next `count` posts, for `seconds`, or until cleared; whichever ends first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int | None = Field(None, ge=200, le=599, description="Answer with this status, e.g. 429 or 500.")
    retry_after: int | None = Field(None, ge=0, description="Seconds in the answer's Retry-After header.")
    delay_seconds: float = Field(0.0, ge=0, description="Answer so much later; the message arrives before.")
    reset: bool = Field(default=False, description="Close the connection with a reset instead of an answer.")
    keep: bool = Field(default=False, description="Take the message in all the same: only the answer is lost or bad.")
    channel: str | None = Field(None, description="Only posts to this channel.")
    count: int | None = Field(None, ge=1, description="So many posts.")
    seconds: float | None = Field(None, gt=0, description="So long.")

    @property
    def loses_message(self) -> bool:
        """Whether a post under this fault leaves no message."""
        return (self.status is not None or self.reset) and not self.keep


class Faults:
    """The faults in force; the oldest that applies is taken. For use by several threads."""

    def __init__(self) -> None:
        self._faults: list[tuple[Fault, float]] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault, now: float) -> None:
        """Put a fault in force at the monotonic time `now`, seconds."""
        with self._lock:
            self._faults.append((fault, now))

    def clear(self) -> None:
        """Drop all."""
        with self._lock:
            self._faults.clear()

    def current(self, now: float) -> list[Fault]:
        """Return the faults in force."""
        with self._lock:
            self._expire(now)
            return [fault for fault, _ in self._faults]

    def take(self, channel: str, now: float) -> Fault | None:
        """Return the fault for a post to `channel` at `now`, and count it."""
        with self._lock:
            self._expire(now)
            for position, (fault, since) in enumerate(self._faults):
                if fault.channel in {None, channel}:
                    self._count(position, fault, since)
                    return fault
        return None

    def _count(self, position: int, fault: Fault, since: float) -> None:
        if fault.count == 1:
            del self._faults[position]
        elif fault.count is not None:
            self._faults[position] = (fault.model_copy(update={"count": fault.count - 1}), since)

    def _expire(self, now: float) -> None:
        self._faults = [
            (fault, since) for fault, since in self._faults if fault.seconds is None or now < since + fault.seconds
        ]
