"""What became of the records of one batch, so that received can be compared with archived and dead."""

from schemas.base import WireModel


class Receipt(WireModel):
    """The account of one frame and one arrival hour.

    `hour` is epoch milliseconds. `records` counts the records of the source whose first line is of this hour, `lines`
    what was found in them; `lines` is `archived` plus `dead`. A record that is dead as a whole is one line.
    `severities` counts the archived by severity, `errors` the dead by stage and error type (`parse.invalid_json`).
    Sequences are those of the first and the last record, in the order of the frame; times are epoch milliseconds.

    `after` is the sequence up to which the origin had been read before, empty where its reading began. It chains the
    receipts of an origin, in the order of `sequence_order(last_sequence)`: where `after` is beyond every
    `last_sequence` before it, records were read of which there is no receipt. Arrival times are not quite in order, so
    at its border an hour's chain goes through receipts of the hours beside it.
    """

    origin: str
    hour: int
    after: str
    first_sequence: str
    last_sequence: str
    first_arrival: int
    last_arrival: int
    records: int
    lines: int
    archived: int
    dead: int
    severities: dict[str, int]
    errors: dict[str, int]
    rules_version: str


def sequence_order(sequence: str) -> tuple[int, str]:
    """Sort numbers of different length, which sequence numbers and offsets are, without reading them.

    No number at all, where reading began, comes first.
    """
    return len(sequence), sequence
