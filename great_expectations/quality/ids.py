"""Which ids are there more than once, in bounded memory: 64 bits of each id are kept, in files by their first bits.

Two of a hundred million ids have the same 64 bits in one of four thousand hours: a false alarm that is accepted.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

Hashes = npt.NDArray[np.uint64]

#: Files. One part of the ids at a time is in memory, 8 bytes an id.
_PARTS = 64
_SHIFT = np.uint64(58)


class Repeated(NamedTuple):
    """The ids that are there more than once, by their hashes, and how often each is there."""

    hashes: Hashes
    times: npt.NDArray[np.int64]

    @property
    def superfluous(self) -> int:
        """How many ids would have to go so that each is there once."""
        return int(self.times.sum()) - len(self.times)


class SeenIds:
    """Takes in the ids of a data set, in any number. `folder` is for its files alone."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._files = [(folder / str(part)).open("w+b") for part in range(_PARTS)]
        self.count = 0

    def add(self, ids: Sequence[str]) -> None:
        """Take in ids."""
        hashes = hashes_of(ids)
        parts = (hashes >> _SHIFT).astype(np.int64)
        order = np.argsort(parts, kind="stable")
        borders = np.searchsorted(parts[order], np.arange(_PARTS + 1))
        hashes = hashes[order]
        for part, file in enumerate(self._files):
            hashes[borders[part] : borders[part + 1]].tofile(file)
        self.count += len(ids)

    def repeated(self) -> Repeated:
        """Return what came more than once; all ids are sorted for it."""
        counted = [np.unique(self._part(part), return_counts=True) for part in range(_PARTS)]
        hashes = [values[counts > 1] for values, counts in counted]
        times = [counts[counts > 1] for _, counts in counted]
        return Repeated(np.concatenate(hashes), np.concatenate(times))

    def common(self, other: Self) -> Hashes:
        """Return the hashes of ids that are in another data set, too."""
        return np.concatenate([np.intersect1d(self._part(part), other._part(part)) for part in range(_PARTS)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def _part(self, part: int) -> Hashes:
        file = self._files[part]
        file.flush()
        hashes: Hashes = np.fromfile(file.name, dtype=np.uint64)
        return hashes


def hashes_of(ids: Sequence[str]) -> Hashes:
    """Return 64 bits of each id, the same in every process."""
    hashes: Hashes = pd.util.hash_array(np.array(ids, dtype=object), categorize=False)
    return hashes


def names_of(wanted: Hashes, batches: Iterable[Sequence[str]]) -> dict[int, str]:
    """Find, by hash, the ids that have these hashes. Batches are read until all are found."""
    found: dict[int, str] = {}
    for ids in batches:
        hashes = hashes_of(ids)
        found |= {int(hashes[index]): ids[index] for index in np.flatnonzero(np.isin(hashes, wanted))}
        if len(found) == len(wanted):
            break
    return found
