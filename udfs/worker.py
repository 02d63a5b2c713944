"""What a process that works on batches all its life asks of Python."""

import gc

#: A block of records makes thousands of containers, none in cycles; with Python's 700 they are searched all the time.
_GARBAGE_THRESHOLD = 50_000


def settle_garbage() -> None:
    """Keep the collector from modules and rules, which live as long as the worker: it took a twentieth of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
