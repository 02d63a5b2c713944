"""What came of checking one hour, for people, programs and the checks of later days."""

from schemas.base import WireModel


class Finding(WireModel):
    """What came of one expectation. `checked` counts rows of its table, `examples` are some of the unexpected ones."""

    suite: str
    expectation: str
    description: str
    success: bool
    checked: int
    unexpected: int
    examples: list[str]


class HourReport(WireModel):
    """One checked hour. `hour` and `checked_at` are epoch milliseconds.

    `lines` and `dead_letters` are those found in archive and dead-letter queue, `services` the lines of each service;
    of very many services only those with the most.
    """

    hour: int
    checked_at: int
    success: bool
    objects: int
    lines: int
    dead_letters: int
    services: dict[str, int]
    findings: list[Finding]

    @property
    def failed(self) -> list[Finding]:
        """The findings of expectations that were not met."""
        return [finding for finding in self.findings if not finding.success]
