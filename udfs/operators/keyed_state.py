"""Keyed state that several operators need in the same form."""

from collections.abc import Iterator, MutableMapping
from typing import Generic, TypeVar

import zstandard
from pyflink.common import Time, Types
from pyflink.common.typeinfo import TypeInformation
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, StateTtlConfig

from jobs.log_insight.settings import TrackSettings
from schemas.base import WireModel
from udfs.operators.type_info import BYTES

K = TypeVar("K", int, str)
M = TypeVar("M", bound=WireModel)

#: The watermark that says that no more will come.
MAX_WATERMARK = 2**63 - 1

_SHORTEST_TTL_SECONDS = 7 * 86_400


def safety_net(settings: TrackSettings) -> StateTtlConfig:
    """Return the TTL of state about incidents."""
    longest = max(settings.repeat_interval_seconds, settings.resolve_after_seconds, settings.group_interval_seconds)
    return time_to_live(longest)


def time_to_live(longest_seconds: int) -> StateTtlConfig:
    """Return the TTL of state that timers clean up after so long; it only catches what they should have.

    It counts processing time and so runs on while the job is down, hence many times the longest interval.
    """
    seconds = max(3 * longest_seconds, _SHORTEST_TTL_SECONDS)
    # Any other visibility turns PyFlink's write cache off, and each access into a request of its own.
    return StateTtlConfig.new_builder(Time.seconds(seconds)).return_expired_if_not_cleaned_up().build()


class ModelMap(MutableMapping[K, M], Generic[K, M]):
    """Models in keyed state, as a mapping; each is an entry of its own."""

    def __init__(
        self, context: RuntimeContext, name: str, key_type: TypeInformation, model: type[M], ttl: StateTtlConfig
    ) -> None:
        descriptor = MapStateDescriptor(name, key_type, BYTES)
        descriptor.enable_time_to_live(ttl)
        self._entries = context.get_map_state(descriptor)
        self._model = model

    def __getitem__(self, key: K) -> M:
        """Return the model of a key."""
        saved = self._entries.get(key)
        if saved is None:
            raise KeyError(key)
        return self._model.model_validate_json(saved)

    def __setitem__(self, key: K, model: M) -> None:
        """Store a model."""
        self._entries.put(key, model.to_bytes())

    def __delitem__(self, key: K) -> None:
        """Remove a key that is there."""
        self._entries.remove(key)

    def __iter__(self) -> Iterator[K]:
        """Yield the keys that are there now."""
        return iter(list(self._entries.keys()))

    def __len__(self) -> int:
        """Return the number of entries."""
        return sum(1 for _ in self._entries.keys())  # noqa: SIM118 - not a dict


class WaitingRoom:
    """Bytes in keyed state that wait for an instant of event time.

    Each is an entry of its own, so adding one costs the same however many wait, and an instant may hold more than fits
    into memory. There is no TTL: what waits must not be lost, and the timer of its instant takes it out.
    """

    def __init__(self, runtime_context: RuntimeContext) -> None:
        counts = MapStateDescriptor("waiting-counts", Types.LONG(), Types.LONG())
        entries = MapStateDescriptor("waiting-entries", Types.STRING(), BYTES)
        self._counts = runtime_context.get_map_state(counts)
        self._entries = runtime_context.get_map_state(entries)
        self._compressor = zstandard.ZstdCompressor(level=1)
        self._decompressor = zstandard.ZstdDecompressor()

    def put(self, instant: int, body: bytes) -> None:
        """Let `body` wait for `instant`, for which the caller registers a timer."""
        count = self._counts.get(instant) or 0
        self._entries.put(_name(instant, count), self._compressor.compress(body))
        self._counts.put(instant, count + 1)

    def take(self, instant: int) -> Iterator[bytes]:
        """Take out what waits for `instant`, one by one, in the order of `put`."""
        count = self._counts.get(instant) or 0
        for number in range(count):
            body = self._entries.get(_name(instant, number))
            self._entries.remove(_name(instant, number))
            yield self._decompressor.decompress(body)
        self._counts.remove(instant)


def _name(instant: int, number: int) -> str:
    return f"{instant}/{number}"
