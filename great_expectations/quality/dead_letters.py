"""The lines of the dead-letter queue as a table, of which expectations speak."""

import base64
from typing import Any

import pandas as pd
from pydantic_core import ErrorDetails

from quality.objects import Chunk
from quality.reading import arrival_of, read_line, text_of
from quality.shown import shown
from schemas.dead_letter import DeadLetter
from udfs.chunk import hour_of
from udfs.redact import Redactor


def letters_table(chunk: Chunk, redactor: Redactor) -> pd.DataFrame:
    """Return a row a line; None where the line does not say.

    Columns: `id`; `malformed`, why the line is no dead letter; `stage`; `arrival_hour`, its start, epoch milliseconds;
    `damaged_original`, how the original bytes are not those that were kept; `unredacted`, the rules by which the reason
    tells a secret. The original bytes themselves hold secrets, and are looked at no further.
    """
    rows = [_row(line, redactor) for line in chunk.lines]
    return pd.DataFrame(rows, columns=["id", "malformed", "stage", "arrival_hour", "damaged_original", "unredacted"])


def _row(line: bytes, redactor: Redactor) -> dict[str, Any]:
    letter, malformed = read_line(
        line, lambda text, _: DeadLetter.model_validate_json(text, strict=True), _is_other_stage
    )
    stage, arrival = text_of(letter, "stage"), arrival_of(letter)
    rules = {hit.rule for hit in redactor.explain(text_of(letter, "reason")).hits}
    return {
        "id": text_of(letter, "id"),
        "malformed": malformed,
        "stage": stage and shown(stage, redactor),
        "arrival_hour": None if arrival is None else hour_of(arrival),
        "damaged_original": None if malformed else _damage(letter["raw"], letter["size"]),
        "unredacted": ", ".join(sorted(rules)) or None,
    }


def _is_other_stage(problem: ErrorDetails) -> bool:
    """Tell whether an error is a stage that is none: another expectation's."""
    value = problem["input"]
    return problem["type"] == "enum" and isinstance(value, str) and bool(value.strip())


def _damage(raw: str, size: int) -> str | None:
    try:
        length = len(base64.b64decode(raw, validate=True))
    except ValueError:
        return "raw is no base64"
    return None if length == size else f"raw has {length} bytes, size says {size}"
