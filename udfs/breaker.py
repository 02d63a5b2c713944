"""A circuit breaker: a dependency that is down costs one probe per cool-down instead of one time-out per call."""


class Breaker:
    """Opens after `failures` failures in a row; after `cool_down_seconds` one caller may probe.

    `now` is seconds of a monotonic clock. Not thread-safe: one breaker belongs to one event loop or thread. A caller
    asks `allows` before a call and reports with `succeeded` or `failed` after it. A probe that never reports does
    not keep the breaker open for ever: the next cool-down brings the next probe.
    """

    def __init__(self, failures: int, cool_down_seconds: float) -> None:
        if failures < 1 or cool_down_seconds <= 0:
            raise ValueError("a breaker needs at least one failure and a cool-down above 0 s")
        self._limit = failures
        self._cool_down = cool_down_seconds
        self._failures = 0
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are refused, but for one probe per cool-down."""
        return self._failures >= self._limit

    def allows(self, now: float) -> bool:
        """Say whether a call may be made. True while open means that the caller is the probe."""
        if not self.is_open:
            return True
        if now < self._next_probe:
            return False
        self._next_probe = now + self._cool_down
        return True

    def succeeded(self) -> None:
        """Report a call that was answered: the breaker closes."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """Report a call that failed or took too long."""
        self._failures += 1
        if self.is_open:
            self._next_probe = now + self._cool_down
