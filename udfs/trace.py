"""Read stack traces of the JVM, Python and Node: which exceptions, and which frames of the sender's own code."""

from typing import NamedTuple

import re2

from udfs.cache import BoundedCache
from udfs.ruleset import Rule

_MAX_FRAMES = 40
_MAX_LINES = 1_000
_MAX_FRAME_LINE = 400
_MAX_TYPE = 200
_CACHED_FRAMES = 20_000
_CACHED_TYPES = 4_096

_FRAME = re2.compile(
    r"^\s*(?:"
    r"at (?:async |new )?([^\s()]+) \(([^()]*?)(?::\d+){1,2}\)"  # Node: function and file
    r"|at (?:async )?([^\s()]+?)(?::\d+){2}"  # Node: file alone
    r"|at (?:[\w.@-]*/){0,2}([^\s()]+)\([^()]*\)(?: ~?\[[^\]]*\])?"  # JVM: class loader and module left out
    r'|File "([^"]+)", line \d+(?:, in (\S+))?'  # Python: file and function
    r")\s*$"
)

#: Numbers that differ between builds and starts: hidden classes, addresses, hashed folders.
_UNSTABLE = re2.compile(r"\$\$Lambda[^.]*|0x[0-9a-fA-F]+|[0-9a-f]{12,}|\d{4,}")

#: What stands before an exception. Behind it any name is one.
_INTRODUCTIONS = ("Caused by: ", "Suppressed: ", "Uncaught ", "Exception in thread ")
_QUOTED_THREAD = 2

#: Names that are an exception's without an introduction: by their ending, or as a class in a package.
_TYPE = re2.compile(
    r"(?:[A-Za-z_$][\w$]*\.)*[A-Z_$][\w$]*(?:Exception|Error|Throwable|Failure|Fault|Exit|Interrupt|Timeout|Warning|Group)"
    r"|(?:[A-Za-z_$][\w$]*\.){2,}[A-Z][\w$]*"
)
_ANY_TYPE = re2.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")


class Trace(NamedTuple):
    """The exceptions in the order of the text, the frames that count, and the first exception's message."""

    exceptions: tuple[str, ...]
    frames: tuple[str, ...]
    message: str


class _Frame(NamedTuple):
    place: str
    is_own: bool


#: An indented line that is no frame, such as a line of source.
_NO_FRAME = _Frame("", is_own=False)


class TraceReader:
    """Reads traces, with a memory of the frames it has met: the frames of a service are few and come again."""

    def __init__(self, library_frames: tuple[Rule, ...]) -> None:
        self._library = re2.compile("|".join(f"(?:{rule.pattern})" for rule in library_frames))
        self._frames: BoundedCache[str, _Frame] = BoundedCache(_CACHED_FRAMES)
        self._types: BoundedCache[str, bool] = BoundedCache(_CACHED_TYPES)

    def read(self, content: str) -> Trace | None:
        """Return the trace in a text, or None where it has no frame.

        Each frame counts once, so that the depth of a recursion does not matter; those of libraries only where there
        are no others.
        """
        if "\n" not in content:
            return None
        exceptions: dict[str, None] = {}
        places: dict[str, None] = {}
        own_places: dict[str, None] = {}
        message = ""
        for line in content.split("\n", _MAX_LINES):
            frame = self._frames.get(line)
            if frame is None:
                if line[:1] not in {" ", "\t"}:
                    exception = self.exception(line)
                    if exception is not None:
                        exceptions[exception[0]] = None
                        message = message or exception[1]
                    continue
                frame = self._frame(line)
            if frame.is_own:
                own_places[frame.place] = None
            elif frame is not _NO_FRAME:
                places[frame.place] = None
        if not places and not own_places:
            return None
        return Trace(tuple(exceptions), tuple(own_places or places)[:_MAX_FRAMES], message)

    def exception(self, line: str) -> tuple[str, str] | None:
        """Return type and message of the exception that a line names."""
        introduction = next((words for words in _INTRODUCTIONS if line.startswith(words)), "")
        line = line[len(introduction) :]
        if introduction and line.startswith('"'):
            line = line.split('"', _QUOTED_THREAD)[-1].lstrip()
        name, _, message = line.partition(":")
        name = name.rstrip("\r")
        if not name or " " in name or len(name) > _MAX_TYPE:
            return None
        is_type = self._types.get(name)
        if is_type is None:
            is_type = self._types.keep(name, _TYPE.fullmatch(name) is not None)
        if is_type or (introduction and _ANY_TYPE.fullmatch(name) is not None):
            return name, message.strip()
        return None

    def _frame(self, line: str) -> _Frame:
        if len(line) > _MAX_FRAME_LINE:
            return _NO_FRAME
        return self._frames.keep(line, self._read_frame(line))

    def _read_frame(self, line: str) -> _Frame:
        match = _FRAME.match(line)
        if match is None:
            return _NO_FRAME
        function, function_file, file, jvm, python_file, python_function = match.groups()
        file = function_file or file or python_file
        place = jvm or ":".join(part for part in (file, function or python_function) if part)
        return _Frame(_UNSTABLE.sub("*", place), self._library.fullmatch(place) is None)
