"""A validated log record."""

from enum import StrEnum
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


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


def _also(*names: str) -> Any:
    """Return an optional field that is read from the first of its names that is there."""
    return Field(default=None, validation_alias=AliasChoices(*names))


class LogEntry(BaseModel):
    """One record as its sender wrote it, checked for shape; fields we do not know are kept as extras.

    The names are those of common loggers; where a record has several, the first counts and the others are extras
    (`udfs.parse` takes one of them where the first is null or empty).
    `udfs.validate` settles what the texts mean: `timestamp` and `level` stay as they were sent.
    """

    model_config = ConfigDict(extra="allow", strict=True, validate_by_name=True, validate_by_alias=True)

    timestamp: str | int | float | None = _also("timestamp", "@timestamp", "time", "ts")
    level: str | int | None = _also("level", "severity", "lvl", "severity_text", "log.level", "levelname", "loglevel")
    service: str | None = _also("service", "service.name", "service_name", "serviceName", "app")
    log_content: str = Field(validation_alias=AliasChoices("log_content", "message", "msg", "log", "body"))
    pod: str | None = _also("pod", "pod_name", "k8s.pod.name")
    namespace: str | None = _also("namespace", "namespace_name", "k8s.namespace.name")
    node: str | None = _also("node", "node_name", "k8s.node.name")
    container: str | None = _also("container", "container_name", "k8s.container.name")
    trace_id: str | None = _also("trace_id", "traceId", "trace.id", "traceid")
    span_id: str | None = _also("span_id", "spanId", "span.id", "spanid")

    @property
    def extras(self) -> dict[str, Any]:
        """The sender's fields that the model does not name."""
        return self.__pydantic_extra__ or {}


#: The field that each name stands for, in the order in which they count.
NAMES = {
    str(name): field
    for field, info in LogEntry.model_fields.items()
    if isinstance(info.validation_alias, AliasChoices)
    for name in info.validation_alias.choices
}
