"""A stored line as the fields it has, and why it is not what it should be."""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from quality.shown import cut, one_line
from udfs.archived import MAX_ARRIVAL


class Read(NamedTuple):
    """What could be read of a line; empty where it is no JSON object."""

    fields: dict[str, Any]
    malformed: str | None


def read_line(
    line: bytes, validate: Callable[[bytes, Any], object], is_excused: Callable[[ErrorDetails], bool]
) -> Read:
    """Read a line of JSON.

    Args:
        line: without its newline.
        validate: takes the line and its JSON data, and raises Pydantic's error where it is not of its model.
        is_excused: whether an error is told by an expectation of its own.
    """
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Read({}, f"no JSON: {error.msg}")
    try:
        validate(line, fields)
    except ValidationError as error:
        problems = [each for each in error.errors(include_url=False, include_context=False) if not is_excused(each)]
        return Read(fields if isinstance(fields, dict) else {}, _explain(problems[0]) if problems else None)
    return Read(fields, None if _is_possible(fields) else "id or arrival_time: none that the job writes")


def text_of(fields: dict[str, Any], name: str) -> str | None:
    """Return a field that is a text with something in it."""
    value = fields.get(name)
    return value if isinstance(value, str) and value.strip() else None


def arrival_of(fields: dict[str, Any]) -> int | None:
    """Return the arrival time, epoch milliseconds, if there is one that a calendar has."""
    value = fields.get("arrival_time")
    return value if type(value) is int and 0 <= value <= MAX_ARRIVAL else None


def _is_possible(fields: dict[str, Any]) -> bool:
    return bool(fields["id"]) and 0 <= fields["arrival_time"] <= MAX_ARRIVAL


def _explain(problem: ErrorDetails) -> str:
    """Say what is wrong and where, without the line's text."""
    field = cut(one_line(str(problem["loc"][0]))) if problem["loc"] else "line"
    return f"{field}: {problem['msg']}"
