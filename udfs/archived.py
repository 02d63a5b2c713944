"""Read back the lines of the archive, for a replay."""

from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from schemas.log_document import LogDocument
from schemas.log_entry import Severity
from udfs.errors import ParseError, ValidateError

_DOCUMENT = TypeAdapter(LogDocument)
_SEVERITIES = frozenset(severity.value for severity in Severity)

#: What the rules say anew.
_OF_THE_RULES = ("fingerprint", "template", "exception.type")
_MAX_ARRIVAL = 253_402_300_799_999  # the year 9999 is the last that datetime knows


def read_archived(line: bytes, rules_version: str) -> dict[str, Any]:
    """Return the `LogDocument` of an archive line, ready to be redacted and fingerprinted by `rules_version`.

    Raises:
        ParseError: the line is no JSON object.
        ValidateError: the object is no `LogDocument`.
    """
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise ParseError("invalid_json", "the archive line is not JSON") from None
    if not isinstance(fields, dict):
        raise ParseError("not_an_object", "the archive line is JSON, but not an object")
    try:
        _DOCUMENT.validate_python(fields, strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ValidateError("not_a_document", f"{problem['loc'][0]}: {problem['msg']}") from None
    if (
        fields["severity_text"] not in _SEVERITIES
        or not 0 <= fields["arrival_time"] <= _MAX_ARRIVAL
        or not fields["id"]
    ):
        raise ValidateError("not_a_document", "severity_text, arrival_time or id is none that an archive line has")
    for name in _OF_THE_RULES:
        fields.pop(name, None)
    fields["rules_version"] = rules_version
    return fields
