r"""Expressions as Fluent Bit compiles them: Onigmo's, here in the hands of Oniguruma, from which it was forked.

In Ruby's dialect `\w`, `\d` and `\s` know ASCII alone, which Oniguruma must be told (`(?WDS:...)`). Where a word ends
in front of a Hangul syllable the two still differ, so `\b` is refused.
"""

import re
from typing import NamedTuple

import onigurumacffi

_FLAGS = {"m", "i", "x", "o"}
_GROUP = re.compile(r"(?<!\\)\(\?<([A-Za-z_]\w*)>")


class Expression:
    """An expression, bare or as `/.../flags`.

    Raises:
        ExpressionError: it is none.
    """

    def __init__(self, source: str) -> None:
        if "\\b" in source:
            raise ExpressionError(f"\\b means something else in Fluent Bit than in its tests: {source}")
        self.names = _GROUP.findall(source)
        body, flags = _body_and_flags(source)
        try:
            self._compiled = onigurumacffi.compile(
                f"(?WDS{flags}:{body}\n)" if "x" in flags else f"(?WDS{flags}:{body})"
            )
        except onigurumacffi.OnigError as error:
            raise ExpressionError(f"{error}: {source}") from None
        if self._compiled.number_of_captures() != len(self.names):
            raise ExpressionError(f"groups that are called nothing: {source}")

    def matches(self, text: str) -> bool:
        """Say whether it is found in the text."""
        return self._compiled.search(text) is not None

    def groups(self, text: str) -> dict[str, str] | None:
        """Return what was found, by name, empty values left out as Fluent Bit does; None where nothing was."""
        found = self._compiled.search(text)
        if found is None:
            return None
        values = (found.group(number) for number in range(1, len(self.names) + 1))
        return {name: value for name, value in zip(self.names, values, strict=True) if value}


class ExpressionError(Exception):
    """What should be an expression cannot be compiled."""


class _Source(NamedTuple):
    body: str
    flags: str


def _body_and_flags(source: str) -> _Source:
    """Take `/.../flags` apart as `src/flb_regex.c` does: what is behind the last slash must be flags, all of them."""
    body, slash, flags = source[1:].rpartition("/")
    if not source.startswith("/") or not slash or not set(flags) <= _FLAGS:
        return _Source(source, "")
    return _Source(body, flags.replace("o", ""))
