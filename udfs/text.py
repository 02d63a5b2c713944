"""Read raw texts: what `[ERROR] payment-api: boom`, and the headers of common loggers, say of themselves."""

from typing import NamedTuple

import re2

#: Of a text's beginning so much is searched for time, level and service, characters.
_HEAD = 400

_LEVEL_WORDS = (
    "TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERR|ERROR|CRIT|CRITICAL|ALERT|EMERG|EMERGENCY|FATAL|PANIC|SEVERE"
)
_KOREAN_LEVEL_WORDS = "디버그|정보|경고|오류|에러|심각|치명"
_NAME = r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*"
_CLOCK = r"\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?"
#: Groups: time; name in brackets before the level; level in brackets, bare, with a colon; service in brackets, with a
#: dash, with a colon.
_HEADER = re2.compile(
    (
        r"^\s*(?:<\d{1,3}>\d? ?)?"
        rf"(?:\[?((?:\d{{4}}[-/]\d{{2}}[-/]\d{{2}}[T ])?{_CLOCK}(?: ?(?:Z|[+-]\d{{2}}:?\d{{2}}))?)\]?[\s|:,-]*)?"
        r"(?:\[([^\[\]]{1,80})\]\s+)??"
        rf"(?:[\[(]\s*((?i:{_LEVEL_WORDS})|{_KOREAN_LEVEL_WORDS})\s*[\])]:?"
        rf"|({_LEVEL_WORDS}|{_KOREAN_LEVEL_WORDS})(?:[\s:|,-]|$)"
        rf"|((?i:{_LEVEL_WORDS})):)\s*"
        rf"(?:\[({_NAME})\](?:\s*[:-])?\s+|({_NAME}) [-|]\s+|({_NAME}):\s+)?"
    ).encode()
)
#: What Node and Go begin with, where no logger has written: it says what failed and stays.
_RUNTIME_WORDS = frozenset({"Error", "panic"})
_IN_BRACKETS, _WITH_COLON = 6, 8
_WHOLE_NAME = re2.compile(_NAME)
#: `[main]`, `[http-nio-8080-exec-1]`, `[pool-2-thread-7]`: loggers put their threads where others put the service.
_THREAD = re2.compile(
    r"main|(?:.*[-_.])?(?:thread|exec|executor|worker|pool|nio|task|scheduler|dispatcher|loop)[-_.]?\d+"
)
#: The class that logs, behind the thread: `c.a.Cart - `.
_LOGGER = re2.compile(rb"[\w$]+(?:\.[\w$]+)+\s+[-:]")
#: Words that stand before a colon in sentences and name no service.
_NO_SERVICES = frozenset(
    {
        *("aborted", "cannot", "cause", "caused", "closed", "connection", "crash", "critical", "database", "denied"),
        *("details", "disconnected", "error", "exception", "expired", "failed", "failure", "fatal", "forbidden"),
        *("internal", "invalid", "message", "missing", "notice", "panic", "reason", "refused", "rejected", "retry"),
        *("socket", "stacktrace", "status", "timeout", "traceback", "unable", "unauthorized", "uncaught", "unexpected"),
        *("unhandled", "unknown", "warning"),
    }
)

#: `E1122 14:00:01.123456       1 reflector.go:138] boom`, as klog writes it in Kubernetes' own components.
_KLOG = re2.compile(rb"^([IWEF])\d{4} (\d{2}:\d{2}:\d{2}\.\d{1,9})\s+\d+ [^\s\]]{1,200}\]\s*")
#: What a runtime writes of its own end. No level stands there.
_CRASH = re2.compile(
    r"^(?:(Exception in thread |Traceback \(most recent call last\):|Uncaught |Unhandled exception)"
    r"|(fatal error: ))"
)
_LEVEL_ANYWHERE = re2.compile(
    r"\b(?:level|severity|lvl)=\"?([A-Za-z]{1,16})"
    rf"|(?:^|[\s\[(|:,])({_LEVEL_WORDS}|{_KOREAN_LEVEL_WORDS})(?:[\s\])|:,]|$)"
)
_TIME_IN_TEXT = re2.compile(rf"(?:^|\bat ){_CLOCK}\b")


class TextReading(NamedTuple):
    """What a raw text says of itself; `message` is the text without it."""

    level: str
    service: str | None
    timestamp: str | None
    message: str


def read_header(text: str) -> TextReading | None:
    """Read time, level and service at the beginning of a text, such as `[ERROR] payment-api: boom`."""
    head = text[:_HEAD].encode()
    header = _HEADER.match(head)
    if header is None:
        return _read_klog(text, head)
    time, before, bracketed, bare, labelled, *_ = (group and group.decode() for group in header.groups())
    service, end = _service_of(header, head, is_level_bracketed=bool(bracketed))
    if service is None and before and _is_service(before):
        service = before
    message = text[len(head[:end].decode()) :]
    if labelled in _RUNTIME_WORDS and not (time or before or service):
        message = text
    return TextReading(bracketed or bare or labelled, service, time or _time_in(message), message or text)


def read_text(text: str) -> TextReading | None:
    """Read a raw text: its header, or how a crash begins, or the first level in its beginning that is a word."""
    reading = read_header(text)
    if reading is not None:
        return reading
    crash = _CRASH.match(text[:_HEAD])
    if crash is not None:
        return TextReading("ERROR" if crash[1] else "FATAL", None, None, text)
    level = _LEVEL_ANYWHERE.search(text[:_HEAD])
    if level is None:
        return None
    return TextReading(level[1] or level[2], None, _time_in(text), text)


def _service_of(header: "re2._Match", head: bytes, *, is_level_bracketed: bool) -> tuple[str | None, int]:
    """Return the service behind the level, if it is one, and where the message begins."""
    group = next((group for group in range(_IN_BRACKETS, _WITH_COLON + 1) if header[group]), None)
    if group is None:
        return None, header.end()
    name = header[group].decode()
    if group == _IN_BRACKETS and (_THREAD.fullmatch(name) or _LOGGER.match(head[header.end() :])):
        return None, header.end()
    # `ERROR failed: x` is a sentence, where `[ERROR] cart: x` and `ERROR payment-api: x` name a service.
    is_sentence = not is_level_bracketed and not {"-", "_"} & set(name)
    if group == _WITH_COLON and (is_sentence or name in _NO_SERVICES):
        return None, header.start(group)
    return name, header.end()


def _is_service(name: str) -> bool:
    """Tell whether what stands in brackets before the level is a service; most loggers put the thread there."""
    return bool({"-", "_"} & set(name)) and _WHOLE_NAME.fullmatch(name) is not None and not _THREAD.fullmatch(name)


def _read_klog(text: str, head: bytes) -> TextReading | None:
    header = _KLOG.match(head)
    if header is None:
        return None
    message = text[len(head[: header.end()].decode()) :]
    return TextReading(header[1].decode(), None, header[2].decode(), message or text)


def _time_in(text: str) -> str | None:
    match = _TIME_IN_TEXT.search(text[:_HEAD])
    return None if match is None else match.group().removeprefix("at ")
