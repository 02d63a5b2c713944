"""A validated log record."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict


class Severity(StrEnum):
    """The OpenTelemetry severity texts, from least to most severe."""

    TRACE = "TRACE"
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"
    FATAL = "FATAL"


#: Severities that go on to the error path; the others end in the archive and the index.
ERROR_PATH = frozenset({Severity.WARN, Severity.ERROR, Severity.FATAL})


class Flag(StrEnum):
    """What was doubtful about a record that was kept all the same."""

    TIME_MISSING = "time_missing"
    TIME_UNREADABLE = "time_unreadable"
    TIME_WITHOUT_DATE = "time_without_date"
    TIME_WITHOUT_ZONE = "time_without_zone"
    TIME_OUTSIDE_SKEW = "time_outside_skew"
    LEVEL_MISSING = "level_missing"
    LEVEL_UNKNOWN = "level_unknown"
    SERVICE_MISSING = "service_missing"


class LogEntry(BaseModel):
    """One record as its sender wrote it, checked for shape; fields we do not know are kept as extras.

    `udfs.validate` settles what the texts mean: `timestamp` and `level` stay as they were sent.
    """

    model_config = ConfigDict(extra="allow", strict=True)

    timestamp: str | int | float | None = None
    level: str | None = None
    service: str | None = None
    log_content: str
    pod: str | None = None
    namespace: str | None = None
    node: str | None = None
    container: str | None = None
    trace_id: str | None = None
    span_id: str | None = None

    @property
    def extras(self) -> dict[str, Any]:
        """The sender's fields that the model does not name."""
        return self.__pydantic_extra__ or {}
