"""How much each service wrote, held against the same hour of the last days."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

#: Fewer earlier days say nothing of what is usual.
MIN_DAYS = 3
#: Of a service that usually writes less in an hour, any number is possible.
MIN_LINES = 100


class Volume(NamedTuple):
    """What a service wrote, and between what it was expected to be."""

    service: str
    lines: int
    lowest: float
    highest: float


def compare_volumes(now: Mapping[str, int], past: Sequence[Mapping[str, int]], factor: float) -> list[Volume]:
    """Return a row for each service that has a past, in order of their names.

    Usual is what lies between the least and the most of these days, none included: a service that rests at weekends, or
    has gone for good, is told of once. `factor` is how many times less or more is still expected.
    """
    if len(past) < MIN_DAYS:
        return []
    rows = []
    for service in sorted({service for day in past for service in day}):
        days = [day.get(service, 0) for day in past]
        if max(days) >= MIN_LINES:
            rows.append(Volume(service, now.get(service, 0), min(days) / factor, max(days) * factor))
    return rows
