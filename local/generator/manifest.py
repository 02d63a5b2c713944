"""The ledger of what was sent: what a judge needs to know to hold the job to account."""

from typing import Self

from pydantic import BaseModel, Field, PrivateAttr

from local.generator.failures import FailureKind, Role
from local.generator.records import Record
from schemas.log_entry import Severity


class FailureSent(BaseModel):
    """One failure that was sent. Times are epoch milliseconds around the call that put the line."""

    name: str
    service: str
    severity: Severity
    role: Role
    lines: int = 0
    first_put_ms: int | None = None
    last_put_ms: int | None = None


class Manifest(BaseModel):
    """What was sent.

    `records` are Kinesis records (or lines of a file), `lines` the log lines in them that are to be archived and
    indexed, `dead_letters` what is to end in the dead-letter store; together they are everything. `secrets` must be
    found in no store but that one.
    """

    seed: int
    shape: str
    started_ms: int = 0
    finished_ms: int = 0
    records: int = 0
    lines: int = 0
    dead_letters: int = 0
    bytes: int = 0
    failures: list[FailureSent] = Field(default_factory=list)
    hostile_records: dict[str, int] = Field(default_factory=dict)
    secrets: list[str] = Field(default_factory=list)
    _by_name: dict[str, FailureSent] = PrivateAttr(default_factory=dict)

    @classmethod
    def of(cls, seed: int, shape: str, kinds: tuple[FailureKind, ...]) -> Self:
        """Return the ledger before anything is sent."""
        failures = [
            FailureSent(name=kind.name, service=kind.service, severity=kind.severity, role=kind.role) for kind in kinds
        ]
        manifest = cls(seed=seed, shape=shape, failures=failures)
        manifest._by_name = {failure.name: failure for failure in failures}
        return manifest

    def put(self, record: Record, at_ms: int) -> None:
        """Enter a record that was put at this time."""
        self.records += 1
        self.lines += record.lines
        self.dead_letters += record.dead_letters
        self.bytes += len(record.data)
        for kind in record.kinds:
            failure = self._by_name[kind]
            failure.lines += 1
            failure.first_put_ms = failure.first_put_ms or at_ms
            failure.last_put_ms = at_ms
