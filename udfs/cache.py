"""A dictionary that hostile input cannot make grow."""

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedCache(dict[K, V]):
    """Remembers the answers of a pure function, and forgets them all when there are `limit` of them.

    Look-ups are those of `dict`, with no Python code of ours in between: this is the hot path.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.kept = 0

    def keep(self, key: K, value: V) -> V:
        """Remember and return a value. `kept` counts them."""
        self.kept += 1
        if len(self) >= self.limit:
            self.clear()
        self[key] = value
        return value
