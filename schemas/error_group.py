"""Equal errors of one second, counted together."""

from collections.abc import Iterable

from pydantic import Field

from schemas.base import WireModel
from schemas.log_entry import Severity

#: Exemplars a group, an incident or an alert carries at most.
MAX_EXEMPLARS = 3


class Exemplar(WireModel):
    """One of the records behind a group: redacted text, cut to a bounded size.

    Of many candidates those with the smallest `rank` are kept. It is a hash of the record id, so that the
    choice depends neither on batch borders nor on order.
    """

    record_id: str
    rank: int
    timestamp: str
    arrival_time: int
    content: str
    pod: str | None = None
    trace_id: str | None = None


def merge_exemplars(a: Iterable[Exemplar], b: Iterable[Exemplar]) -> tuple[Exemplar, ...]:
    """Return the exemplars with the smallest ranks of both, each record once."""
    exemplars = {exemplar.record_id: exemplar for exemplar in (*a, *b)}
    return tuple(sorted(exemplars.values(), key=lambda exemplar: (exemplar.rank, exemplar.record_id))[:MAX_EXEMPLARS])


class ErrorGroup(WireModel):
    """All records with one fingerprint that arrived in one second.

    `second` is epoch seconds of arrival, `first_seen` and `last_seen` are epoch milliseconds of arrival.
    `late` says that the second had been passed by the watermark; `overflow` that this is the group which
    stands for everything over the cap on new fingerprints of a service.
    """

    fingerprint: str
    service: str
    second: int
    severity: Severity
    count: int = Field(ge=1)
    title: str
    template: str
    first_seen: int
    last_seen: int
    rules_version: str
    exception_type: str | None = None
    exemplars: tuple[Exemplar, ...] = Field(default=(), max_length=MAX_EXEMPLARS)
    late: bool = False
    overflow: bool = False


class ServiceSecond(WireModel):
    """The groups of one service and one arrival second that were found in one batch.

    This is what `ingest` sends down the error path: one element for many groups.
    """

    service: str
    second: int
    groups: tuple[ErrorGroup, ...]


def arrival_second(body: bytes) -> int:
    """Return the second of a `ServiceSecond` in its JSON form without reading its groups, which may be thousands.

    Raises:
        ValueError: the bytes are not what `ServiceSecond.to_bytes` writes.
    """
    # A quote inside the service's name is escaped, so the first of these is the field itself.
    head, found, _ = body.partition(b',"groups":')
    if not found:
        raise ValueError("not a service second: it has no groups")
    second: int = ServiceSecond.model_validate_json(head + b',"groups":[]}').second
    return second
