"""One name for all records that tell of the same failure.

Computed on redacted text, from the text and the service alone: a replay gives the same. Of a stack trace count the
types of its exceptions and the frames of the sender's own code, without line numbers; of a message its template.
"""

from typing import NamedTuple

from udfs.cache import BoundedCache
from udfs.ids import stable_hash
from udfs.parameterize import Parameterizer, ParameterizeRules, Variable
from udfs.ruleset import RULES_VERSION
from udfs.trace import Trace, TraceReader

#: Of a longer text the beginning counts; the rest is data. Characters.
MAX_MESSAGE = 2_048
MAX_TITLE = 200
_CACHED_TEXTS = 2_048
_MAX_CACHED_TEXT = 4_096


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


class _Reading(NamedTuple):
    """What a text says, whatever its service: the parts of the hash, and how it is told of."""

    parts: tuple[str, ...]
    template: str
    title: str
    exception_type: str | None


class FingerprintRules:
    """A compiled rule set, with a memory of the texts it has met."""

    def __init__(self, rules: ParameterizeRules, version: str = RULES_VERSION) -> None:
        self.version = version
        self.parameterizer = Parameterizer(rules.rules)
        self.traces = TraceReader(rules.library_frames)
        self._values: BoundedCache[tuple[str, tuple[str, ...]], str] = BoundedCache(_CACHED_TEXTS)
        self._readings: BoundedCache[str, _Reading] = BoundedCache(_CACHED_TEXTS)

    def read(self, content: str) -> _Reading:
        """Return what a text says."""
        reading = self._readings.get(content)
        if reading is None:
            trace = self.traces.read(content)
            reading = self._read_message(content) if trace is None else self._read_trace(trace)
            if len(content) <= _MAX_CACHED_TEXT:
                self._readings.keep(content, reading)
        return reading

    def value(self, service: str, parts: tuple[str, ...]) -> str:
        """Return the hash of what a text says and of its service."""
        key = (service, parts)
        return self._values.get(key) or self._values.keep(key, stable_hash(service, *parts))

    def _read_message(self, content: str) -> _Reading:
        template = self.parameterizer.template(content[:MAX_MESSAGE])
        exception = self.traces.exception(content.split("\n", 1)[0])
        exception_type = None if exception is None else exception[0]
        return _Reading(("message", template.shape), template.text, _title(template.text), exception_type)

    def _read_trace(self, trace: Trace) -> _Reading:
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
    trace = rules.traces.read(content)
    variables = rules.parameterizer.variables((content if trace is None else trace.message)[:MAX_MESSAGE])
    exceptions, frames = ((), ()) if trace is None else (trace.exceptions, trace.frames)
    return Explanation(fingerprint(content, service, rules), tuple(variables), exceptions, frames)


def _title(text: str) -> str:
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1] + "…"
