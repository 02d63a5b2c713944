"""The lines of the archive as a table, of which expectations speak."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from quality.objects import Chunk
from schemas.log_document import LogDocument
from schemas.log_entry import ERROR_PATH
from udfs.chunk import hour_of
from udfs.redact import Redactor

_DOCUMENT = TypeAdapter(LogDocument)
_ERROR_PATH = frozenset(severity.value for severity in ERROR_PATH)
#: Each is looked at by an expectation of its own, where it is there at all.
_SERVICE = "service.name"
_NOTHING = (None, "")
#: Texts of a log show in reports; so much of them is enough to know them by.
_MAX_SHOWN = 80


def lines_table(chunk: Chunk, redactor: Redactor, skew_ms: int) -> pd.DataFrame:
    """Return a row a line; None where the line does not say.

    Columns: `id`; `malformed`, why the line is no log document; `severity_text`; `service.name`, empty where there is
    no document at all; `arrival_time` and `earliest_arrival`, the event time less the skew that is allowed, epoch
    milliseconds; `arrival_hour`, its start; `unredacted`, the rules by which a secret or personal datum is still in the
    line, never the text itself.
    """
    documents, problems = _read(chunk.lines)
    columns = {
        name: [document.get(name) for document in documents]
        for name in ("id", "severity_text", _SERVICE, "arrival_time", "@timestamp")
    }
    for index in [index for index, problem in enumerate(problems) if problem]:
        for name, values in columns.items():
            if not isinstance(values[index], int if name == "arrival_time" else str):
                values[index] = None
    event_times = pd.to_datetime(pd.Series(columns["@timestamp"]), format="ISO8601", utc=True, errors="coerce")
    for index in event_times.index[event_times.isna()]:
        problems[index] = problems[index] or "@timestamp: no time"
    return pd.DataFrame(
        {
            "id": columns["id"],
            "malformed": problems,
            "severity_text": [text and text[:_MAX_SHOWN] for text in columns["severity_text"]],
            _SERVICE: [
                _named(service, document) for service, document in zip(columns[_SERVICE], documents, strict=True)
            ],
            "arrival_time": columns["arrival_time"],
            "earliest_arrival": _milliseconds(event_times) - skew_ms,
            "arrival_hour": [None if time is None else hour_of(time) for time in columns["arrival_time"]],
            "unredacted": _unredacted(documents, redactor),
        }
    )


def _read(lines: Sequence[bytes]) -> tuple[list[dict[str, Any]], list[str | None]]:
    documents: list[dict[str, Any]] = []
    problems: list[str | None] = []
    validate = _DOCUMENT.validator.validate_python
    for line in lines:
        problem = None
        try:
            document = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            document, problem = {}, f"no JSON: {error.msg}"
        else:
            try:
                validate(document, strict=True)
            except ValidationError as error:
                problem = _explain(error)
                document = document if isinstance(document, dict) else {}
            if problem is None and document.get("severity_text") in _ERROR_PATH and "fingerprint" not in document:
                problem = "fingerprint: an error has one"
        documents.append(document)
        problems.append(problem)
    return documents, problems


def _explain(error: ValidationError) -> str | None:
    """Say what is wrong, without the line's text; a service that is not named is another expectation's."""
    for problem in error.errors(include_url=False, include_context=False):
        field = str(problem["loc"][0])[:_MAX_SHOWN] if problem["loc"] else "line"
        is_unnamed = problem["type"] == "missing" or problem["input"] in _NOTHING
        if not (field == _SERVICE and is_unnamed):
            return f"{field}: {problem['msg']}"
    return None


def _named(service: str | None, document: dict[str, Any]) -> str | None:
    """Return a service's name; None where a document has none. What is no document is malformed, and not nameless."""
    if not document:
        return ""
    return service[:_MAX_SHOWN] if service else None


def _milliseconds(times: "pd.Series[Any]") -> "pd.Series[Any]":
    milliseconds = times.dt.tz_localize(None).to_numpy(dtype="datetime64[ms]").astype("int64")
    return pd.Series(milliseconds).where(times.notna())


def _unredacted(documents: Sequence[dict[str, Any]], redactor: Redactor) -> list[str | None]:
    found: list[str | None] = [None] * len(documents)
    bodies = [document.get("body") for document in documents]
    texts = [body.encode() if isinstance(body, str) else b"" for body in bodies]
    _look(found, bodies, redactor.suspects(texts), redactor)
    details = [document.get("attributes") for document in documents]
    _look(found, details, redactor.suspect_values(details), redactor)
    return found


def _look(found: list[str | None], values: Sequence[Any], suspects: Iterable[int], redactor: Redactor) -> None:
    for index in suspects:
        if redactor.redact_value(values[index]) != values[index]:
            rules = {hit.rule for hit in redactor.explain(values[index]).hits}
            found[index] = ", ".join(sorted(rules)) or "some rule"
