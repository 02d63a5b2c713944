"""One name for all records that tell of the same failure.

Computed on redacted text, from the text and the service alone: a replay gives the same. Of a stack trace count the
types of its exceptions and the frames of the sender's own code, without line numbers; of a message its template.
"""

from typing import Any, NamedTuple

import re2

from udfs.cache import BoundedCache
from udfs.ids import stable_hash
from udfs.parameterize import Parameterizer, ParameterizeRules, Variable
from udfs.ruleset import RULES_VERSION

#: Of a longer text the beginning counts; the rest is data. Characters.
MAX_MESSAGE = 2_048
MAX_TITLE = 200
_MAX_FRAMES = 40
_MAX_LINES = 1_000
_MAX_FRAME_LINE = 400
_CACHED_LINES = 20_000
_CACHED_TEXTS = 4_096
_MAX_CACHED_TEXT = 8_192

_TRACE = re2.compile(r"\n\s+at [^\n]*:\d+\)?|\n\s+at [^\n]*\)|(?:^|\n)Traceback \(most recent call last\)")
_FRAME = re2.compile(
    r"^\s*(?:"
    r"at (?:async |new )?(?P<js>[^\s()]+) \((?P<js_file>[^()]*?)(?::\d+){1,2}\)"
    r"|at (?:async )?(?P<js_bare>[^\s()]+?)(?::\d+){2}"
    r"|at (?:[\w.@-]*/){0,2}(?P<java>[^\s()]+)\([^()]*\)(?: ~?\[[^\]]*\])?"
    r'|File "(?P<py_file>[^"]+)", line \d+(?:, in (?P<py>\S+))?'
    r")\s*$"
)
_EXCEPTION = re2.compile(
    r"^(?P<cause>Caused by: |Suppressed: |Exception in thread \S+ |Uncaught )?"
    r"(?P<type>[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*)(?:: ?(?P<message>.*))?$"
)
_INTRODUCTIONS = ("Caused by: ", "Suppressed: ", "Exception in thread ", "Uncaught ")
_TYPE_NAME = re2.compile(
    r"(?:.*\.)?(?:[A-Z_$][\w$]*(?:Exception|Error|Throwable|Failure|Fault|Exit|Interrupt|Timeout|Warning|Group)"
    r"|(?:[\w$]+\.){2,}[A-Z][\w$]*)"
)
#: Numbers that differ between builds and starts: hidden classes, addresses, hashed folders.
_UNSTABLE = re2.compile(r"\$\$Lambda[^.]*|0x[0-9a-fA-F]+|[0-9a-f]{12,}|\d{4,}")


class Fingerprint(NamedTuple):
    """What identifies a failure, and how it is told of.

    `value` is 16 hexadecimal digits and depends on the service too. `template` is a message without its variables,
    or the exceptions and frames of a trace. `exception_type` is that of the outermost exception.
    """

    value: str
    template: str
    title: str
    exception_type: str | None
    rules_version: str


class Explanation(NamedTuple):
    """Why a fingerprint is what it is: the variables that were taken out, or the parts of a trace that counted."""

    fingerprint: Fingerprint
    variables: tuple[Variable, ...]
    exceptions: tuple[str, ...]
    frames: tuple[str, ...]


class _Trace(NamedTuple):
    exceptions: tuple[str, ...]
    frames: tuple[str, ...]
    message: str


class _Reading(NamedTuple):
    """What a text says, whatever its service: the parts of the hash, and how it is told of."""

    parts: tuple[str, ...]
    template: str
    title: str
    exception_type: str | None


class FingerprintRules:
    """A compiled rule set, with a memory of the frames and texts it has met."""

    def __init__(self, rules: ParameterizeRules, version: str = RULES_VERSION) -> None:
        self.version = version
        self.parameterizer = Parameterizer(rules.rules)
        self._library = re2.compile("|".join(f"(?:{rule.pattern})" for rule in rules.library_frames))
        self._frames: BoundedCache[str, tuple[str, bool] | None] = BoundedCache(_CACHED_LINES)
        self._values: BoundedCache[tuple[str, tuple[str, ...]], str] = BoundedCache(_CACHED_TEXTS)
        self._readings: BoundedCache[str, _Reading] = BoundedCache(_CACHED_TEXTS)

    def read(self, content: str) -> _Reading:
        """Return what a text says."""
        reading = self._readings.get(content)
        if reading is None:
            trace = self.trace(content)
            reading = self._read_message(content) if trace is None else self._read_trace(trace)
            if len(content) <= _MAX_CACHED_TEXT:
                self._readings.keep(content, reading)
        return reading

    def value(self, service: str, parts: tuple[str, ...]) -> str:
        """Return the hash of what a text says and of its service."""
        key = (service, parts)
        return self._values.get(key) or self._values.keep(key, stable_hash(service, *parts))

    def trace(self, content: str) -> _Trace | None:
        """Return the exceptions and frames of a text, or nothing where it has no frame."""
        if "\n" not in content or _TRACE.search(content) is None:
            return None
        return self._collect(content.split("\n", _MAX_LINES))

    def _collect(self, lines: list[str]) -> _Trace | None:
        exceptions: dict[str, None] = {}
        own: dict[str, None] = {}
        all_frames: dict[str, None] = {}
        message = ""
        for line in lines:
            if line[:1] in (" ", "\t"):
                frame = self._frame(line)
                if frame is not None:
                    all_frames[frame[0]] = None
                    if frame[1]:
                        own[frame[0]] = None
                continue
            exception = _read_exception(line)
            if exception is not None:
                message = message or exception["message"] or ""
                exceptions[exception["type"]] = None
        if not all_frames:
            return None
        return _Trace(tuple(exceptions), tuple(own or all_frames)[:_MAX_FRAMES], message)

    def _frame(self, line: str) -> tuple[str, bool] | None:
        if len(line) > _MAX_FRAME_LINE:
            return None
        try:
            return self._frames[line]
        except KeyError:
            return self._frames.keep(line, self._read_frame(line))

    def _read_frame(self, line: str) -> tuple[str, bool] | None:
        match = _FRAME.match(line)
        if match is None:
            return None
        place = match["java"] or ":".join(
            part
            for part in (match["js_file"] or match["js_bare"] or match["py_file"], match["js"] or match["py"])
            if part
        )
        return _UNSTABLE.sub("*", place), self._library.fullmatch(place) is None

    def _read_message(self, content: str) -> _Reading:
        template = self.parameterizer.template(content[:MAX_MESSAGE])
        exception = _read_exception(content.split("\n", 1)[0])
        exception_type = None if exception is None else exception["type"]
        return _Reading(("message", template.shape), template.text, _title(template.text), exception_type)

    def _read_trace(self, trace: _Trace) -> _Reading:
        exception_type = trace.exceptions[0] if trace.exceptions else None
        message = self.parameterizer.template(trace.message[:MAX_TITLE]).text
        title = ": ".join(part for part in (exception_type, message) if part) or trace.frames[0]
        template = "\n".join((" < ".join(trace.exceptions), *(f"  at {frame}" for frame in trace.frames)))
        return _Reading(("trace", *trace.exceptions, *trace.frames), template, _title(title), exception_type)


def fingerprint(content: str, service: str, rules: FingerprintRules) -> Fingerprint:
    """Return the fingerprint of a redacted text of a service."""
    reading = rules.read(content)
    value = rules.value(service, reading.parts)
    return Fingerprint(value, reading.template, reading.title, reading.exception_type, rules.version)


def explain(content: str, service: str, rules: FingerprintRules) -> Explanation:
    """Return the fingerprint of a redacted text, and why it is that."""
    trace = rules.trace(content)
    variables = rules.parameterizer.variables((content if trace is None else trace.message)[:MAX_MESSAGE])
    exceptions, frames = ((), ()) if trace is None else (trace.exceptions, trace.frames)
    return Explanation(fingerprint(content, service, rules), tuple(variables), exceptions, frames)


def _read_exception(line: str) -> Any | None:
    """Match the line that names an exception. Most lines of a log have a space in front of their first colon."""
    if " " in line.partition(":")[0] and not line.startswith(_INTRODUCTIONS):
        return None
    match = _EXCEPTION.match(line)
    if match is None or not (match["cause"] or _TYPE_NAME.fullmatch(match["type"])):
        return None
    return match


def _title(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1] + "…"
