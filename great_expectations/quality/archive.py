"""The lines of the archive as a table, of which expectations speak."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from pydantic import TypeAdapter
from pydantic_core import ErrorDetails

from quality.objects import Chunk
from quality.reading import arrival_of, read_line, text_of
from quality.shown import shown
from schemas.log_document import LogDocument
from schemas.log_entry import ERROR_PATH
from udfs.chunk import hour_of
from udfs.redact import Redactor
from udfs.validate import is_trace_id, safe_service

SERVICE = "service.name"

_validate = TypeAdapter(LogDocument).validator.validate_python
_ERROR_PATH = frozenset(severity.value for severity in ERROR_PATH)
_EVENT_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
#: The job makes these itself, of what holds no text of a log.
_SAFE = frozenset({"id", "arrival_time", "@timestamp", "severity_text", "rules_version", "fingerprint"})
#: Texts of which an hour has few: each is searched once a chunk.
_REPEATED = (
    SERVICE,
    "k8s.pod.name",
    "k8s.namespace.name",
    "k8s.node.name",
    "k8s.container.name",
    "template",
    "exception.type",
)
_TRACES = ("trace_id", "span_id")
_A_TRACE = "0123456789abcdef"
#: All that has a search of its own. Whatever else a line has is searched with its attributes.
_KNOWN = frozenset({*_SAFE, *_REPEATED, *_TRACES, "body", "attributes"})


def lines_table(chunk: Chunk, redactor: Redactor, skew_ms: int) -> pd.DataFrame:
    """Return a row a line; None where the line does not say.

    Columns: `id`; `malformed`, why the line is no log document; `severity_text`; `service.name`, empty where there is
    no document at all; `arrival_time` and `earliest_arrival`, the event time less the skew that is allowed, epoch
    milliseconds; `arrival_hour`, its start; `unredacted`, the rules by which a secret or personal datum is still in the
    line, never the text itself. Texts are fit to be shown, but the ids.
    """
    lines = [read_line(line, lambda _, fields: _validate(fields, strict=True), _is_nameless) for line in chunk.lines]
    documents = [line.fields for line in lines]
    malformed = [line.malformed or _lacks(line.fields) for line in lines]
    times = _event_times([_event_time(document) for document in documents])
    for index in times.index[times.isna()]:
        malformed[index] = malformed[index] or "@timestamp: none that the job writes"
    arrivals = [arrival_of(document) for document in documents]
    return pd.DataFrame(
        {
            "id": [text_of(document, "id") for document in documents],
            "malformed": malformed,
            "severity_text": _shown([document.get("severity_text") for document in documents], redactor),
            SERVICE: _services(documents, redactor),
            "arrival_time": arrivals,
            "earliest_arrival": times - skew_ms,
            "arrival_hour": [None if time is None else hour_of(time) for time in arrivals],
            "unredacted": _unredacted(documents, redactor),
        }
    )


def _is_nameless(problem: ErrorDetails) -> bool:
    """Tell whether an error is that the service is not named: another expectation's."""
    return problem["loc"] == (SERVICE,) and (problem["type"] == "missing" or problem["input"] in (None, ""))


def _lacks(document: dict[str, Any]) -> str | None:
    is_error = document.get("severity_text") in _ERROR_PATH
    return "fingerprint: an error has one" if is_error and "fingerprint" not in document else None


def _event_time(document: dict[str, Any]) -> str | None:
    text = text_of(document, "@timestamp")
    return text if text and _EVENT_TIME.fullmatch(text) else None


def _event_times(texts: Sequence[str | None]) -> "pd.Series[Any]":
    """Return epoch milliseconds, or NaN."""
    times = pd.to_datetime(pd.Series(texts, dtype=object), format="ISO8601", utc=True, errors="coerce")
    milliseconds = times.dt.tz_localize(None).to_numpy(dtype="datetime64[ms]").astype("int64")
    return pd.Series(milliseconds).where(times.notna())


def _services(documents: Sequence[dict[str, Any]], redactor: Redactor) -> list[str | None]:
    """Return names as the job writes them. What is no document is malformed, and not nameless."""
    names = [text_of(document, SERVICE) for document in documents]
    safe: dict[str | None, str | None] = {name: safe_service(name, redactor) for name in set(names) if name is not None}
    return [safe.get(name) if document else "" for name, document in zip(names, documents, strict=True)]


def _shown(values: Sequence[Any], redactor: Redactor) -> list[str | None]:
    texts = [value if isinstance(value, str) else None for value in values]
    safe: dict[str | None, str] = {text: shown(text, redactor) for text in set(texts) if text is not None}
    return [safe.get(text) for text in texts]


def _unredacted(documents: Sequence[dict[str, Any]], redactor: Redactor) -> list[str | None]:
    found: list[str | None] = [None] * len(documents)
    bodies = [document.get("body") for document in documents]
    texts = [body.encode() if isinstance(body, str) else b"" for body in bodies]
    _look(found, bodies, redactor.suspects(texts), redactor)
    details = [_details(document) for document in documents]
    _look(found, details, redactor.suspect_values(details), redactor)
    for name in _REPEATED:
        values = [document.get(name) for document in documents]
        leaking = {value for value in {each for each in values if isinstance(each, str)} if _leaks(value, redactor)}
        if leaking:
            _look(found, values, [index for index, value in enumerate(values) if value in leaking], redactor)
    return found


def _details(document: dict[str, Any]) -> Any:
    """Return the attributes, and with them what the job does not write, or not like this."""
    if document.keys() <= _KNOWN and all(_is_trace(document.get(name, _A_TRACE)) for name in _TRACES):
        return document.get("attributes")
    return {
        name: value
        for name, value in document.items()
        if name not in _KNOWN or name == "attributes" or (name in _TRACES and not _is_trace(value))
    }


def _is_trace(value: Any) -> bool:
    return isinstance(value, str) and is_trace_id(value)


def _leaks(name: str, redactor: Redactor) -> bool:
    """Tell whether a text holds a secret; the job leaves alone what has the form of a trace's id."""
    return not is_trace_id(name) and redactor.redact(name) != name


def _look(found: list[str | None], values: Sequence[Any], suspects: Iterable[int], redactor: Redactor) -> None:
    for index in suspects:
        try:
            if redactor.redact_value(values[index]) != values[index]:
                rules = {hit.rule for hit in redactor.explain(values[index]).hits}
                found[index] = ", ".join(sorted(rules)) or "some rule"
        except RecursionError:  # the job refuses such a line: somebody else wrote this one
            found[index] = "nested too deep to be searched"
