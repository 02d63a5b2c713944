"""Settle what an entry's texts mean: when, how severe, whose. Doubt is flagged and never costs a record."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import re2

from jobs.log_insight.settings import IngestSettings
from schemas.log_entry import Flag, LogEntry, Severity
from udfs.cache import BoundedCache
from udfs.parse import complete
from udfs.redact import Redactor

UNKNOWN_SERVICE = "unknown"
MAX_SERVICE_LENGTH = 100

_CACHED_SECONDS = 4_096
_CACHED_NAMES = 4_096
_MAX_LEVEL_LENGTH = 32
_MAX_TIME_LENGTH = 48
_SECOND_LENGTH = len("2026-11-22T14:00:01")
_JUDGED = 1_000
_NOTHING = (None, "")
_TRACE_ID_LENGTHS = (16, 32)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: The least number that is taken for nano-, micro- and milliseconds, and how many of them are a millisecond.
_EPOCH_UNITS = ((10**17, 10**6), (10**14, 10**3), (10**11, 1))
_MAX_EPOCH = 10**19
_MAX_DIGITS = 9

_LEVELS = {
    Severity.TRACE: "trace verbose finest finer all 10",
    Severity.DEBUG: "debug dbug dbg fine config 디버그 d 20 7",
    Severity.INFO: "info information informational notice log default 정보 알림 i n 30 6 5",
    Severity.WARN: "warn warning wrn 경고 주의 w 40 4",
    # java.util.logging has no level above SEVERE and no ERROR, so it is where errors are.
    Severity.ERROR: "error err eror severe failure 오류 에러 장애 e 50 3",
    Severity.FATAL: "fatal critical crit panic alert emerg emergency dpanic 심각 치명 f c 60 2 1 0",
}
#: Names, initials, and the numbers of pino and bunyan (10 to 60) and of syslog (0 to 7).
LEVELS = {word: severity for severity, words in _LEVELS.items() for word in words.split()}

_FATAL_WORDS = re2.compile(
    r"(?i)\b(?:fatal|panic|segfault|segmentation fault|out ?of ?memory(?:error)?|oomkilled)\b|심각|치명"
)
_ERROR_WORDS = re2.compile(
    r"(?i)\b(?:error|errors|failed|failure|fails|exception|traceback|refused|unreachable|timed out|timeout|denied)\b"
    r"|(?-i:[A-Za-z](?:Exception|Error)\b)|오류|에러|실패|장애"
)
_WARN_WORDS = re2.compile(r"(?i)\b(?:warn|warning|deprecated|retrying)\b|경고")
_CONTROL = re2.compile(r"[\x00-\x1f\x7f-\x{9f}\x{2028}\x{2029}]+")


class EventTime(NamedTuple):
    """When something happened: epoch milliseconds, ISO-8601 in UTC, and whether the sender said in which zone."""

    ms: int
    text: str
    is_zoned: bool
    flag: Flag | None = None


class Validator:
    """Turns entries into documents. Holds bounded memories of names, levels and seconds, and no other state.

    `arrival_from_event` is for files of records as they were sent: such a record arrived when its time says, if that
    is unambiguous, so that history is counted by its own time.
    """

    def __init__(
        self, settings: IngestSettings, redactor: Redactor, rules_version: str, *, arrival_from_event: bool = False
    ) -> None:
        self._redactor = redactor
        self._zone = ZoneInfo(settings.time_zone)
        self._zones = {service: ZoneInfo(name) for service, name in settings.service_time_zones.items()}
        self._past = int(settings.max_skew_past_seconds * 1000)
        self._future = int(settings.max_skew_future_seconds * 1000)
        self._rules_version = rules_version
        self._arrival_from_event = arrival_from_event
        self._severities: BoundedCache[str | int, str] = BoundedCache(_CACHED_NAMES)
        self._services: BoundedCache[str, str] = BoundedCache(_CACHED_NAMES)
        self._names: BoundedCache[str, str] = BoundedCache(_CACHED_NAMES)
        self._seconds: BoundedCache[str, int] = BoundedCache(_CACHED_SECONDS)
        self._fractions: BoundedCache[str, int] = BoundedCache(_CACHED_SECONDS)

    def document(self, record_id: str, arrival: int, entry: LogEntry) -> dict[str, Any]:
        """Return the `LogDocument` of an entry; body and attributes are not yet redacted.

        `arrival` is epoch milliseconds. Fields stand in the order of `schemas.log_document`.
        """
        if entry.__pydantic_extra__ or entry.level in _NOTHING or not entry.service:
            complete(entry)
        fields = entry.__dict__
        flags: list[Flag] = []
        severity = self._severities.get(fields["level"]) or self._severity(entry, flags)
        service = self._services.get(fields["service"]) or self._service(entry, flags)
        timestamp = fields["timestamp"]
        event_ms = self._plain_utc(timestamp)
        if event_ms is not None and self._arrival_from_event and event_ms >= 0:
            arrival = event_ms
        elif event_ms is None or not -self._past <= event_ms - arrival <= self._future:
            arrival, timestamp = self._settle_time(entry, service, arrival, flags)
        document = {
            "id": record_id,
            "arrival_time": arrival,
            "severity_text": severity,
            "@timestamp": timestamp,
            "service.name": service,
            "body": fields["log_content"],
            "rules_version": self._rules_version,
        }
        for field, name in _OPTIONAL:
            value = fields[field]
            if value:
                document[name] = self._names.get(value) or self._name(value)
        if flags:
            document["flags"] = flags
        if entry.__pydantic_extra__:
            document["attributes"] = entry.__pydantic_extra__
        return document

    def _severity(self, entry: LogEntry, flags: list[Flag]) -> str:
        level = entry.level
        if level is None:
            flags.append(Flag.LEVEL_MISSING)
            return judge_level(entry.log_content).value
        severity = read_level(level)
        if severity is None:
            flags.append(Flag.LEVEL_UNKNOWN)
            _keep_original(entry, "level", level)
            return judge_level(entry.log_content).value
        if len(str(level)) > _MAX_LEVEL_LENGTH:
            return severity.value
        return self._severities.keep(level, severity.value)

    def _service(self, entry: LogEntry, flags: list[Flag]) -> str:
        name = entry.service or ""
        service = safe_service(name, self._redactor)
        if service is None:
            flags.append(Flag.SERVICE_MISSING)
            return UNKNOWN_SERVICE
        return service if len(name) > MAX_SERVICE_LENGTH else self._services.keep(name, service)

    def _name(self, value: str) -> str:
        if is_trace_id(value):
            return value
        redacted = self._redactor.redact(value)
        return redacted if len(value) > MAX_SERVICE_LENGTH else self._names.keep(value, redacted)

    def _plain_utc(self, timestamp: Any) -> int | None:
        """Return the epoch milliseconds of `2026-11-22T14:00:01Z`, with or without a fraction, and of nothing else."""
        if type(timestamp) is not str:
            return None
        second = self._seconds.get(timestamp[:_SECOND_LENGTH])
        fraction = self._fractions.get(timestamp[_SECOND_LENGTH:])
        if second is None:
            second = _read_second(timestamp[:_SECOND_LENGTH])
            if second is None:
                return None
            self._seconds.keep(timestamp[:_SECOND_LENGTH], second)
        if fraction is None:
            fraction = _read_fraction(timestamp[_SECOND_LENGTH:])
            if fraction is None:
                return None
            self._fractions.keep(timestamp[_SECOND_LENGTH:], fraction)
        return second + fraction

    def _settle_time(self, entry: LogEntry, service: str, arrival: int, flags: list[Flag]) -> tuple[int, str]:
        """Return arrival and event time; the arrival time is the event time where that is missing or not believed."""
        timestamp = entry.timestamp
        if timestamp is None:
            flags.append(Flag.TIME_MISSING)
            return arrival, iso(arrival)
        event = read_time(timestamp, arrival, self._zones.get(service, self._zone))
        if event is None:
            flags.append(Flag.TIME_UNREADABLE)
            _keep_original(entry, "timestamp", timestamp)
            return arrival, iso(arrival)
        if event.flag is not None:
            flags.append(event.flag)
        if self._arrival_from_event:
            return (event.ms if event.is_zoned and event.ms >= 0 else arrival), event.text
        if -self._past <= event.ms - arrival <= self._future:
            return arrival, event.text
        flags.append(Flag.TIME_OUTSIDE_SKEW)
        _keep_original(entry, "timestamp", timestamp)
        return arrival, iso(arrival)


_OPTIONAL = (
    ("pod", "k8s.pod.name"),
    ("namespace", "k8s.namespace.name"),
    ("node", "k8s.node.name"),
    ("container", "k8s.container.name"),
    ("trace_id", "trace_id"),
    ("span_id", "span_id"),
)


def read_level(level: str | int) -> Severity | None:
    """Return the severity that a level's name or number stands for."""
    return LEVELS.get(str(level).strip().strip("[]<>:").lower())


def judge_level(content: str) -> Severity:
    """Return the severity that a text's words speak of, where its level is not known."""
    text = content[:_JUDGED]
    if _FATAL_WORDS.search(text):
        return Severity.FATAL
    if _ERROR_WORDS.search(text):
        return Severity.ERROR
    return Severity.WARN if _WARN_WORDS.search(text) else Severity.INFO


def safe_service(name: str, redactor: Redactor) -> str | None:
    """Return a service's name cleaned, then redacted: a control character may stand in the middle of a secret."""
    cleaned = clean_service(name)
    return None if cleaned is None else clean_service(redactor.redact(cleaned))


def clean_service(name: str) -> str | None:
    """Return a service's name without control characters and of bounded length, or None where nothing is left."""
    return _CONTROL.sub("", name[: 2 * MAX_SERVICE_LENGTH]).strip()[:MAX_SERVICE_LENGTH].strip() or None


def is_trace_id(value: str) -> bool:
    """Tell whether a text has the form of a trace's or span's id; of each there are too many to remember."""
    return len(value) in _TRACE_ID_LENGTHS and value.isalnum() and not value.isdigit()


def iso(ms: int) -> str:
    """Return epoch milliseconds as ISO-8601 in UTC."""
    return _text(_EPOCH + timedelta(milliseconds=ms))


def read_time(timestamp: str | float, arrival: int, zone: tzinfo) -> EventTime | None:
    """Read a time: ISO-8601 in its variants, a time of day, or epoch seconds, milli-, micro- or nanoseconds.

    A time without a zone is one of `zone`; where the clock was set back it happened twice, and where it was set
    forward it did not happen: of both readings, and for a time of day of all days, the one nearest to `arrival`
    (epoch milliseconds) is taken. Returns None for what is no time.
    """
    if not isinstance(timestamp, str):
        return _read_epoch(timestamp)
    text = timestamp.strip()
    if not text or len(text) > _MAX_TIME_LENGTH or not text.isascii():
        return None
    try:
        return _read_text_time(text, arrival, zone)
    except (ValueError, OverflowError):
        return None


def _read_text_time(text: str, arrival: int, zone: tzinfo) -> EventTime | None:
    if text.replace(".", "", 1).isdecimal() and len(text) != len("20261122"):
        return _read_epoch(float(text) if "." in text else int(text))
    if text[2:3] == ":":
        return _nearest(_clock_candidates(time.fromisoformat(text), arrival, zone), arrival, Flag.TIME_WITHOUT_DATE)
    moment = datetime.fromisoformat(_normal_form(text))
    if moment.tzinfo is not None:
        return _event(moment.astimezone(UTC), is_zoned=True, flag=None)
    return _nearest(_both_folds(moment, zone), arrival, Flag.TIME_WITHOUT_ZONE)


def _normal_form(text: str) -> str:
    """Return 2026/11/22, small letters, a zone after a space and UTC as `datetime.fromisoformat` reads them."""
    text = text.replace("/", "-").upper()
    if text.endswith((" UTC", " GMT")):
        text = text[:-4] + "Z"
    head, space, tail = text.rpartition(" ")
    return head + tail if space and tail[:1] in ("+", "-", "Z") else text


def _clock_candidates(clock: time, arrival: int, zone: tzinfo) -> Iterator[datetime]:
    if clock.tzinfo is not None:
        zone = clock.tzinfo
    today = (_EPOCH + timedelta(milliseconds=arrival)).astimezone(zone).date()
    for days in (-1, 0, 1):
        yield from _both_folds(datetime.combine(today + timedelta(days=days), clock.replace(tzinfo=None)), zone)


def _both_folds(moment: datetime, zone: tzinfo) -> Iterator[datetime]:
    for fold in (0, 1):
        yield moment.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _nearest(candidates: Iterator[datetime], arrival: int, flag: Flag) -> EventTime:
    moment = min(candidates, key=lambda candidate: (abs(_ms(candidate) - arrival), candidate))
    return _event(moment, is_zoned=False, flag=flag)


def _read_epoch(number: float) -> EventTime | None:
    """Tell the unit by the magnitude: until the year 5138, seconds have less than twelve digits."""
    if not 0 < number < _MAX_EPOCH:
        return None
    units = next((units for limit, units in _EPOCH_UNITS if number >= limit), None)
    ms = int(number * 1000) if units is None else int(number // units)
    return EventTime(ms, iso(ms), is_zoned=True)


def _read_second(text: str) -> int | None:
    if len(text) != _SECOND_LENGTH or text[10] != "T":
        return None
    try:
        return _ms(datetime.fromisoformat(text).replace(tzinfo=UTC))
    except ValueError:
        return None


def _read_fraction(text: str) -> int | None:
    """Return the milliseconds of `Z` or `.123456789Z`."""
    if text == "Z":
        return 0
    digits = text[1:-1]
    if (
        text[:1] != "."
        or text[-1] != "Z"
        or not digits.isdecimal()
        or not digits.isascii()
        or len(digits) > _MAX_DIGITS
    ):
        return None
    return int(digits[:3].ljust(3, "0"))


def _event(moment: datetime, *, is_zoned: bool, flag: Flag | None) -> EventTime:
    return EventTime(_ms(moment), _text(moment), is_zoned, flag)


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _text(moment: datetime) -> str:
    precision = "milliseconds" if moment.microsecond % 1000 == 0 else "microseconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def _keep_original(entry: LogEntry, field: str, value: Any) -> None:
    """Keep among the attributes what the sender wrote, where something else takes its place."""
    if entry.__pydantic_extra__ is None:
        entry.__pydantic_extra__ = {}
    entry.__pydantic_extra__[field] = value
