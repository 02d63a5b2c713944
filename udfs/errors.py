"""Bad input that was expected: each error says what a dead letter has to say."""

from typing import ClassVar

from schemas.dead_letter import Stage


class BadInputError(Exception):
    """A record or a line without a reading.

    `error_type` is one of few fixed words, to count by. `reason` is for people and never repeats the record's text.
    """

    stage: ClassVar[Stage]

    def __init__(self, error_type: str, reason: str) -> None:
        super().__init__(f"{error_type}: {reason}")
        self.error_type = error_type
        self.reason = reason


class DecodeError(BadInputError):
    """A whole record cannot be unpacked."""

    stage = Stage.DECODE


class ParseError(BadInputError):
    """A line is neither JSON nor a text with a level."""

    stage = Stage.PARSE


class ValidateError(BadInputError):
    """A line is JSON whose fields have the wrong types."""

    stage = Stage.VALIDATE
