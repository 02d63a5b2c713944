"""A record that has no reading, kept whole with the reason."""

from enum import StrEnum

from schemas.base import WireModel


class Stage(StrEnum):
    """Where a record ended."""

    DECODE = "decode"
    PARSE = "parse"
    VALIDATE = "validate"
    INDEX = "index"


class DeadLetter(WireModel):
    """One dead record.

    `raw` is the original bytes in base64: of the whole Kinesis record for stage `DECODE`, else of the line. `size`
    is their number. `arrival_time` is epoch milliseconds. The reason never repeats the record's text.
    """

    id: str
    arrival_time: int
    stage: Stage
    error_type: str
    reason: str
    raw: str
    size: int
