"""What may be said of a bug in an operator: where it happened, and nothing of the record it happened on."""

import traceback


def where(error: Exception) -> str:
    """Return type and stack of an error; its message may hold log text."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
