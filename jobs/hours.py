"""Whole hours in UTC, and the folders of the archive that hold them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from udfs.chunk import HOUR_MS, hour_folder

_DAY = timedelta(days=1)
#: What stands beside an hour, in its zone or in UTC, is a time, too.
_YEARS = range(1970, 9999)


class HoursError(ValueError):
    """What is given are no whole hours."""


class Hours(NamedTuple):
    """The hours from `first` to before `end`; both are the start of an hour in UTC."""

    first: datetime
    end: datetime

    def starts(self) -> Iterator[int]:
        """Yield the start of each hour, epoch milliseconds."""
        yield from range(_epoch_ms(self.first), _epoch_ms(self.end), HOUR_MS)

    def days(self) -> Iterator["Hours"]:
        """Yield the same hours, those of one day at a time."""
        at = self.first
        while at < self.end:
            day = Hours(at, min(_midnight(at) + _DAY, self.end))
            yield day
            at = day.end

    def folders(self) -> Iterator[str]:
        """Yield the fewest folders that hold these hours and no other: `dt=…` of a whole day, else `dt=…/hour=…`."""
        for day in self.days():
            hours = [hour_folder(start) for start in day.starts()]
            yield from [hours[0].partition("/")[0]] if day.end - day.first == _DAY else hours


def hours_between(first: str, end: str) -> Hours:
    """Read two ISO-8601 times, UTC where they name no zone; the end is exclusive.

    Raises:
        HoursError: one is no time, of no year of 1970 to 9998 or not the start of an hour in UTC, or the end is not
            after the first.
    """
    found = Hours(_hour(first), _hour(end))
    if found.end <= found.first:
        raise HoursError(f"{end} is not after {first}: the end is exclusive")
    return found


def hour_name(start: int) -> str:
    """Return the start of an hour, epoch milliseconds, as it is written on the command line."""
    return datetime.fromtimestamp(start / 1000, UTC).strftime("%Y-%m-%dT%H:00Z")


def _hour(text: str) -> datetime:
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise HoursError(f"{text!r} is no ISO-8601 time such as 2026-11-22T09:00Z") from None
    if given.year not in _YEARS:
        raise HoursError(f"{text} is not of the years {_YEARS[0]} to {_YEARS[-1]}")
    time = given.replace(tzinfo=given.tzinfo or UTC).astimezone(UTC)
    if time != time.replace(minute=0, second=0, microsecond=0):
        raise HoursError(f"{text} is not the start of an hour in UTC")
    return time


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0)


def _epoch_ms(time: datetime) -> int:
    return int(time.timestamp()) * 1000
