"""An event loop of an operator's own."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_PATIENCE_SECONDS = 10.0

T = TypeVar("T")


class EventLoopThread:
    """A running loop: PyFlink stops its own before `close`, and a client can only be closed on the loop it lives on."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def awaitable(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        """Start a coroutine on this loop, to be awaited on the caller's."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on this loop and wait for it, from a thread without a loop.

        Raises:
            TimeoutError: the loop stands still; Flink must not wait for it as well.
        """
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_PATIENCE_SECONDS)

    def stop(self) -> None:
        """End what still runs, and the loop."""
        self.run(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
