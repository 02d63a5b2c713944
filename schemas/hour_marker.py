"""That an arrival hour is over, and what must be found in it."""

from schemas.base import WireModel


class HourMarker(WireModel):
    """The sums over the receipts of one arrival hour, written when nothing more of it is to come.

    `hour` is epoch milliseconds. `receipts` counts them, the other sums are of their fields. `origins` has, for each
    shard or file known, the greatest `last_sequence` over its receipts of this hour and of those before: how far it had
    been read when the hour was over. `revision` is one more each time a late receipt changed what was said of the hour;
    the marker of an hour with the highest one counts.

    A marker may be seen shortly before the last files of its hour. Each sink commits its own files when a checkpoint is
    complete, in no order; and the barrier of an unaligned checkpoint may overtake chunks on their way to the archive,
    which are then in files of the next one, while the marker got through. Hence the sums: a reader who finds fewer
    lines than `archived` and `dead`, or fewer receipts than `receipts`, is early, looks again and is not misled.
    """

    hour: int
    revision: int
    receipts: int
    records: int
    lines: int
    archived: int
    dead: int
    origins: dict[str, str]
