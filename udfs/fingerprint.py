"""One name for all records that tell of the same failure.

Computed on redacted text, from the text and the service alone: a replay gives the same. Of a stack trace count the
types of its exceptions and the innermost frames of the sender's own code, without line numbers; of a message its
template. Operators may split and merge what comes out (`udfs.grouping`).
"""

from pathlib import Path
from typing import NamedTuple

from udfs.cache import BoundedCache
from udfs.frames import load_frame_rules
from udfs.grouping import GroupingRules, load_grouping_rules
from udfs.ids import stable_hash
from udfs.parameterize import Parameterizer, Variable, load_parameterize_rules
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
    """Why a fingerprint is what it is.

    The variables that were taken out of the message, the parts of the trace that counted, the names of the rules that
    were applied, and the rule of the operators that split or merged.
    """

    fingerprint: Fingerprint
    variables: tuple[Variable, ...]
    exceptions: tuple[str, ...]
    frames: tuple[str, ...]
    rules: tuple[str, ...]
    grouped_by: str | None


class _Reading(NamedTuple):
    """What a text says, whatever its service: the parts of the hash, and how it is told of."""

    parts: tuple[str, ...]
    template: str
    title: str
    exceptions: tuple[str, ...]
    frames: tuple[str, ...]


class FingerprintRules:
    """Compiled rule sets, with a memory of the traces and templates they have met."""

    def __init__(
        self, parameterizer: Parameterizer, traces: TraceReader, grouping: GroupingRules, version: str = RULES_VERSION
    ) -> None:
        self.version = version + grouping.version
        self.parameterizer = parameterizer
        self.traces = traces
        self.grouping = grouping
        self._values: BoundedCache[tuple[str, tuple[str, ...]], str] = BoundedCache(_CACHED_TEXTS)
        self._readings: BoundedCache[str, _Reading] = BoundedCache(_CACHED_TEXTS)

    @property
    def misses(self) -> int:
        """How many values were not in memory."""
        return self._values.kept

    def read(self, content: str) -> _Reading:
        """Return what a text says."""
        reading = self._readings.get(content)
        if reading is None:
            trace = self.traces.read(content)
            if trace is None:
                return self._read_message(content)
            reading = self._read_trace(trace)
            if len(content) <= _MAX_CACHED_TEXT:
                self._readings.keep(content, reading)
        return reading

    def value(self, service: str, parts: tuple[str, ...]) -> str:
        """Return the hash of what makes two errors of a service the same."""
        key = (service, parts)
        return self._values.get(key) or self._values.keep(key, stable_hash(service, *parts))

    def _read_message(self, content: str) -> _Reading:
        template = self.parameterizer.template(content[:MAX_MESSAGE])
        exception = self.traces.exception(content.partition("\n")[0])
        exceptions = () if exception is None else (exception[0],)
        return _Reading(("message", template.shape), template.text, _title(template.text), exceptions, ())

    def _read_trace(self, trace: Trace) -> _Reading:
        message = self.parameterizer.template(trace.message[:MAX_TITLE])
        kind, _, words = trace.exceptions[0].partition(": ") if trace.exceptions else ("", "", "")
        if words and not trace.message.startswith(words):
            kind = trace.exceptions[0]
        title = ": ".join(part for part in (kind, message.text) if part) or trace.frames[0]
        places = [f"  at {frame}" for frame in trace.frames] or [f"  {message.text}"]
        template = "\n".join((" < ".join(trace.exceptions), *places))
        # Without a frame of its own a sender is known by what its libraries said.
        parts = ("trace", *trace.exceptions, *(trace.frames or (message.shape,)))
        return _Reading(parts, template, _title(title), trace.exceptions, trace.frames)


def load_fingerprint_rules(grouping: str | None = None, version: str = RULES_VERSION) -> FingerprintRules:
    """Read and compile the newest released rules, and the operators' where there are some.

    Raises:
        RuleError: a file is wrong.
    """
    return FingerprintRules(
        Parameterizer(load_parameterize_rules()),
        TraceReader(load_frame_rules()),
        load_grouping_rules(None if grouping is None else Path(grouping)),
        version,
    )


def fingerprint(content: str, service: str, rules: FingerprintRules) -> Fingerprint:
    """Return the fingerprint of a redacted text of a service."""
    reading = rules.read(content)
    parts = reading.parts
    if rules.grouping.version:
        parts = rules.grouping.apply(service, content, reading.exceptions, reading.frames, parts).parts
    exception_type = reading.exceptions[0] if reading.exceptions else None
    value = rules.value(service, parts)
    return Fingerprint(value, reading.template, reading.title, exception_type, rules.version)


def explain(content: str, service: str, rules: FingerprintRules) -> Explanation:
    """Return the fingerprint of a redacted text, and why it is that."""
    reading = rules.read(content)
    trace = rules.traces.read(content)
    variables = rules.parameterizer.variables(content[:MAX_MESSAGE] if trace is None else trace.message[:MAX_TITLE])
    grouped = rules.grouping.apply(service, content, reading.exceptions, reading.frames, reading.parts)
    applied = dict.fromkeys(("stack-trace",) * (trace is not None))
    applied |= dict.fromkeys(variable.rule for variable in variables)
    return Explanation(
        fingerprint(content, service, rules),
        tuple(variables),
        reading.exceptions,
        reading.frames,
        tuple(applied),
        grouped.rule,
    )


def _title(text: str) -> str:
    line = text.lstrip().partition("\n")[0].rstrip()
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1] + "…"
