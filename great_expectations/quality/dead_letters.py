"""The lines of the dead-letter queue as a table, of which expectations speak."""

import base64
import binascii
from typing import Any

import orjson
import pandas as pd
from pydantic import ValidationError

from quality.objects import Chunk
from schemas.dead_letter import DeadLetter
from udfs.chunk import hour_of
from udfs.redact import Redactor

_MAX_SHOWN = 80


def letters_table(chunk: Chunk, redactor: Redactor) -> pd.DataFrame:
    """Return a row a line; None where the line does not say.

    Columns: `id`; `malformed`, why the line is no dead letter; `stage`; `arrival_hour`, its start, epoch milliseconds;
    `damaged_original`, how the original bytes are not those that were kept; `unredacted`, the rules by which the reason
    tells a secret. The original bytes themselves hold secrets, and are looked at no further.
    """
    rows = [_row(line, redactor) for line in chunk.lines]
    return pd.DataFrame(rows, columns=["id", "malformed", "stage", "arrival_hour", "damaged_original", "unredacted"])


def _row(line: bytes, redactor: Redactor) -> dict[str, Any]:
    problem = None
    try:
        letter = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        letter, problem = {}, f"no JSON: {error.msg}"
    else:
        try:
            DeadLetter.model_validate_json(line, strict=True)
        except ValidationError as error:
            problem = _explain(error)
            letter = letter if isinstance(letter, dict) else {}
    arrival, reason = letter.get("arrival_time"), _text(letter, "reason")
    return {
        "id": _text(letter, "id"),
        "malformed": problem,
        "stage": (_text(letter, "stage") or "")[:_MAX_SHOWN] or None,
        "arrival_hour": hour_of(arrival) if isinstance(arrival, int) else None,
        "damaged_original": None if problem else _damage(letter["raw"], letter["size"]),
        "unredacted": ", ".join(sorted({hit.rule for hit in redactor.explain(reason).hits})) or None,
    }


def _explain(error: ValidationError) -> str | None:
    """Say what is wrong, without the letter's text; a stage that is none is another expectation's."""
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        field = str(problem["loc"][0])[:_MAX_SHOWN] if problem["loc"] else "line"
        if problem["type"] != "enum":
            return f"{field}: {problem['msg']}"
    return None


def _text(letter: dict[str, Any], name: str) -> str | None:
    value = letter.get(name)
    return value if isinstance(value, str) else None


def _damage(raw: str, size: int) -> str | None:
    try:
        length = len(base64.b64decode(raw, validate=True))
    except binascii.Error:
        return "raw is no base64"
    return None if length == size else f"raw has {length} bytes, size says {size}"
