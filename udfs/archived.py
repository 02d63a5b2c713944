"""Read back the lines of the archive, for a replay."""

from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.log_document import LogDocument
from schemas.log_entry import Severity
from udfs.errors import BadInputError, ParseError, ValidateError

_DOCUMENT = TypeAdapter(LogDocument)
_SEVERITIES = frozenset(severity.value for severity in Severity)

#: What the rules say anew.
_OF_THE_RULES = frozenset({"fingerprint", "template", "exception.type"})
#: The last arrival time that a line may have, epoch milliseconds: the year 9999 is the last that datetime knows.
MAX_ARRIVAL = 253_402_300_799_999


def read_archived(line: bytes, rules_version: str) -> dict[str, Any]:
    """Return the `LogDocument` of an archive line, ready to be redacted and fingerprinted by `rules_version`.

    Raises:
        ParseError: the line is no JSON object.
        ValidateError: the object is no `LogDocument`.
    """
    try:
        document = _DOCUMENT.validate_json(line, strict=True)
    except ValidationError as error:
        raise _explain(error) from None
    fields: dict[str, Any] = {name: value for name, value in document.items() if name not in _OF_THE_RULES}
    if fields["severity_text"] not in _SEVERITIES or not 0 <= fields["arrival_time"] <= MAX_ARRIVAL or not fields["id"]:
        raise ValidateError("not_a_document", "severity_text, arrival_time or id is none that an archive line has")
    fields["rules_version"] = rules_version
    return fields


def _explain(error: ValidationError) -> BadInputError:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if problem["type"] == "json_invalid":
        return ParseError("invalid_json", problem["msg"])
    field = problem["loc"][0] if problem["loc"] else "line"
    return ValidateError("not_a_document", f"{field}: {problem['msg']}")
