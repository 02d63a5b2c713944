"""Read stack traces: which exceptions, and which frames of the sender's own code.

A trace may be cut, have other lines in between, or a prefix on each line: whatever can be read counts.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import re2

from udfs.cache import BoundedCache
from udfs.frames import Frame, FrameReader, Kind, Names

_MAX_LINES = 1_000
_MAX_TYPE = 200
_CACHED_TYPES = 4_096

#: Own frames that count, from the first exception that has some on.
_MAX_FRAMES = 2
#: Exceptions that count, from the outermost.
_MAX_EXCEPTIONS = 12

#: What container runtimes, docker compose, kubectl and syslog write before each line.
_PREFIX = re2.compile(
    r"(?:(?:\d{4}-\d{2}-\d{2}T[\d:.,]+(?:Z|[+-]\d{2}:?\d{2}) (?:std(?:out|err) [FP] )?"
    r"|[\w.-]+ +\| "
    r"|\[pod/[^\]\s]+\] "
    r"|(?:<\d{1,3}>)?[A-Z][a-z]{2} +\d{1,2} \d{2}:\d{2}:\d{2} \S+ [^\s:]+: ?))+"
)
#: The tree that Python draws around exception groups.
_GROUP = re2.compile(r"\s*(?:[|+][\s|+]*(?:-+ \d+ -+|-+|)\s?)")

#: What stands before an exception. Behind it any name is one.
_INTRODUCTION = re2.compile(
    r"(?:Caused by: |Wrapped by: |Suppressed: |Uncaught |Unhandled exception\. |Unhandled Exception: "
    r"|Exception in thread (?:\"[^\"]*\"|\S+) |---> |\[cause\]: |\(Inner Exception #\d+\) |\[errors\]: |\[\d+\]: )+"
)
#: How they begin.
_FIRST_WORDS = ("Caused", "Wrapped", "Suppressed", "Unc", "Unh", "Exc", "--", "[", "(Inner")
#: What a Go program writes when it ends, and how servers tell of it.
_GO_PANIC = re2.compile(
    r"(?:.*?\b(panic|fatal error)(?: serving \S+)?: (.*?)|.*?(runtime error: .*?))(?: \[recovered(?:, repanicked)?\])?"
)
#: A function of Go without its arguments, and one before the line of source that it stands in.
_GO_FUNCTION = re2.compile(r"((?:[\w.~%@+-]+/)*[\w~%-]+\.(?:\(\*?[\w.\[\],*/ ]+\)|[\w·]+)[^\s()]*)")
_GO_LINE = re2.compile(r"([\w.()*\[\]]+):(?: |$)")
#: Of the runtime's own errors the words are what a type is elsewhere.
_GO_RUNTIME = re2.compile(
    r"panic: (?:runtime error: [a-z ,-]+[a-z]|interface conversion|assignment to entry in nil map"
    r"|(?:send on|close of) (?:closed|nil) channel|sync: [A-Za-z ]+)|fatal error: [a-z :]*[a-z]"
)

#: Names that are an exception's without an introduction: by their ending, or as a class in a package.
_ENDINGS = "Exception|Error|Throwable|Failure|Fault|Exit|Interrupt|Timeout|Warning|Group|Iteration|Abort"
_NAME = rf"(?:[A-Za-z_$][\w$]*\.)*(?:[A-Z_$][\w$]*(?:{_ENDINGS})|Error|Exception)"
#: What Node and .NET add.
_CODE = r"(?: \[[A-Z\d_]+\]| \((?:0x[0-9A-Fa-f]+|\d+)\))?"
_TYPE = re2.compile(rf"(?:{_NAME}|(?:[A-Za-z_$][\w$]*\.){{2,}}[A-Z][\w$]*){_CODE}")
_ANY_TYPE = re2.compile(rf"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*{_CODE}")
_TYPE_ANYWHERE = re2.compile(rf"(?:^|[\s\[(:\"'])({_NAME}){_CODE}(?:: |$)")
_CAUSES = ("---> ", "Caused by: ")
_SKIPPED = ("Suppressed: ", "(Inner Exception #")


class Trace(NamedTuple):
    """The exceptions from the outermost to the root cause, the frames that count, and the first exception's message."""

    exceptions: tuple[str, ...]
    frames: tuple[str, ...]
    message: str


class _Section:
    """An exception and its frames, in the order of the text."""

    def __init__(self, exception: str | None = None, message: str = "") -> None:
        self.exception = exception
        self.message = message
        self.places: dict[str, None] = {}
        self.is_innermost_last = False
        self.is_group = False
        self.first_frame = -1

    def add(self, frame: Frame, number: int) -> None:
        """Add the frame of that number. A place counts once, so that the depth of a recursion does not matter."""
        if self.first_frame < 0:
            self.first_frame = number
        self.is_innermost_last = frame.is_innermost_last
        if frame.is_own and frame.place:
            if frame.is_innermost_last:
                self.places.pop(frame.place, None)
            self.places.setdefault(frame.place)

    def innermost(self) -> list[str]:
        """Return the own places, from where the exception was raised outwards."""
        return list(reversed(self.places)) if self.is_innermost_last else list(self.places)


class TraceReader:
    """Reads traces, with a memory of what it has met."""

    def __init__(self, rules: dict[str, Names]) -> None:
        self._frames = FrameReader(rules)
        self._types: BoundedCache[str, bool] = BoundedCache(_CACHED_TYPES)

    def read(self, content: str) -> Trace | None:
        """Return the trace in a text, or None where it has no frame, or neither an exception nor an own frame."""
        if "\n" not in content:
            return None
        reading = _Reading(self._frames, self.exception)
        for line in _lines(content):
            if not reading.take(line):
                break
        return reading.trace()

    def exception(self, line: str) -> tuple[str, str] | None:
        """Return type and message of the exception that a line names."""
        introduction = _INTRODUCTION.match(line) if line.startswith(_FIRST_WORDS) else None
        if introduction is not None:
            line = line[introduction.end() :]
        name, _, message = line.partition(": ")
        name = name.rstrip(":")
        if not name or len(name) > _MAX_TYPE or (" " in name and not name.endswith(("]", ")"))):
            return None
        is_type = self._types.get(name)
        if is_type is None:
            is_type = self._types.keep(name, _TYPE.fullmatch(name) is not None)
        if is_type or (introduction is not None and _ANY_TYPE.fullmatch(name) is not None):
            return name.partition(" ")[0], message.strip()
        return None


def _lines(content: str) -> Iterator[str]:
    """Yield the lines of a text without what a runtime has written before each of them."""
    lines = content.split("\n", _MAX_LINES)[:_MAX_LINES]
    if all(_PREFIX.match(line) for line in lines[:2]):
        lines = [line[match.end() :] if (match := _PREFIX.match(line)) else line for line in lines]
    return iter(lines)


class _Reading:
    """The state between the lines of one text."""

    def __init__(self, frames: FrameReader, exception: Callable[[str], tuple[str, str] | None]) -> None:
        self._frames = frames
        self._exception = exception
        self._sections: list[_Section] = []
        self._open: list[_Section] = []
        self._before = ""
        self._function: Frame | None = None
        self._file: Frame | None = None
        self._indent_of_suppressed = -1
        self._indent_of_traceback = 0
        self._is_root_first = False
        self._is_go = False
        self._frame_count = 0

    def take(self, line: str) -> bool:
        """Take the next line; return whether there is to be another."""
        text = line.strip()
        if text[:1] in {"|", "+"} and (tree := _GROUP.match(line)):
            line = line[tree.end() :]
            text = line.strip()
        if not text:
            return True
        frame = self._frames.read(text)
        if frame.kind is Kind.OTHER:
            return self._take_other(text, len(line) - len(line.lstrip()))
        if frame.kind is Kind.FRAME:
            self._add(frame)
        elif frame.kind is Kind.GO_FUNCTION:
            self._function = frame
        elif frame.kind is Kind.GO_FILE:
            self._take_go_file(frame, text)
        return True

    def trace(self) -> Trace | None:
        """Return what was read, or None where there was no frame, or nothing to tell it from others."""
        if self._function is not None and self._is_go:
            self._add(self._function)
        if self._file is not None:
            self._add(self._file)
        if not any(section.first_frame >= 0 for section in self._sections):
            return None
        printed = self._sections
        chain = list(reversed(printed)) if self._is_root_first else printed
        exceptions = dict.fromkeys(section.exception for section in chain if section.exception is not None)
        places = dict.fromkeys(place for section in self._by_depth() for place in section.innermost())
        if not exceptions and not places:
            return None
        message = next((section.message for section in chain if section.exception is not None), "")
        return Trace(tuple(exceptions)[:_MAX_EXCEPTIONS], tuple(places)[:_MAX_FRAMES], message)

    def _by_depth(self) -> list[_Section]:
        """Return the sections in the order of their frames, but groups, which only hold others, behind them."""
        return sorted(self._sections, key=lambda section: (section.is_group, section.first_frame))

    def _add(self, frame: Frame) -> None:
        self._is_root_first = self._is_root_first or frame.is_innermost_last
        if self._indent_of_suppressed >= 0:
            return
        if not self._open or (not self._open[-1].exception and self._open[-1].first_frame < 0 and self._before):
            self._find_exception_before()
        section = self._open[-1]
        if frame.is_innermost_last and section.is_innermost_last and section.exception is not None:
            # What looked like the exception was another line in between.
            section.exception = None
        section.add(frame, self._frame_count)
        self._frame_count += 1

    def _find_exception_before(self) -> None:
        """Take the exception from the middle of the line before the frames, where loggers write it."""
        found = _TYPE_ANYWHERE.search(self._before)
        section = _Section() if found is None else _Section(found[1], self._before[found.end() :].strip())
        if self._open:
            self._open[-1].exception, self._open[-1].message = section.exception, section.message
        else:
            self._push(section)

    def _push(self, section: _Section) -> None:
        self._sections.append(section)
        self._open.append(section)

    def _take_go_file(self, file: Frame, text: str) -> None:
        self._is_go = True
        if self._file is not None:
            self._add(self._file)
            self._file = None
        function, self._function = self._function, None
        if function is None and (bare := _GO_FUNCTION.fullmatch(self._before)):
            function = self._frames.go_function(bare[1])
        if function is None:
            if text.endswith(")"):
                self._file = file
        elif function.place == "panic":
            # Above it are those that were called to clean up.
            if self._open:
                self._open[-1].places.clear()
        else:
            self._add(function._replace(is_own=function.is_own and file.is_own))

    def _take_other(self, text: str, indent: int) -> bool:
        if text.startswith("goroutine ") and text.endswith(":"):
            self._is_go = True
            return not any(section.first_frame >= 0 for section in self._sections)
        if text.startswith("created by "):
            self._before = ""
            return True
        if self._take_go_line(text):
            return True
        if text.startswith("Traceback (most") or text.endswith("Traceback (most recent call last):"):
            self._indent_of_traceback = indent
            self._push(_Section())
        elif text.startswith("--- End of inner"):
            if len(self._open) > 1:
                self._open.pop()
        elif not self._take_python_exception(text, indent) and not self._take_panic(text):
            self._take_header(text, indent)
        self._before = text
        return True

    def _take_python_exception(self, text: str, indent: int) -> bool:
        section = self._open[-1] if self._open else None
        if section is None or not section.is_innermost_last or section.exception is not None:
            return False
        if indent > self._indent_of_traceback:
            return True
        name, _, message = text.partition(": ")
        name = name.rstrip(":")
        if _ANY_TYPE.fullmatch(name) is None or name.isupper():
            return False
        section.exception, section.message = name, message
        section.is_group = name.endswith("Group")
        return True

    def _take_go_line(self, text: str) -> bool:
        """Take the line below a file where gin writes the trace: a function and its source, if that is at hand."""
        file, self._file = self._file, None
        if file is None:
            return False
        line = _GO_LINE.match(text)
        if line is None:
            self._add(file)
            return False
        package = file.place.rpartition("/")[0]
        function = self._frames.go_function(f"{package}.{line[1]}" if package else line[1])
        self._add(function._replace(is_own=function.is_own and file.is_own))
        return True

    def _take_panic(self, text: str) -> bool:
        panic = None if self._open else _GO_PANIC.fullmatch(text)
        if panic is None:
            return False
        kind, message = panic[1] or "panic", panic[2] or panic[3] or ""
        words = _GO_RUNTIME.match(f"{kind}: {message}")
        self._push(_Section(kind if words is None else words[0], message))
        return True

    def _take_header(self, text: str, indent: int) -> None:
        is_skipped = text.startswith(_SKIPPED)
        for part in text.split(" ---> "):
            found = self._exception(part)
            if found is None:
                continue
            if is_skipped:
                self._indent_of_suppressed = indent
            elif indent < max(self._indent_of_suppressed, 1) or self._indent_of_suppressed < 0:
                self._indent_of_suppressed = -1
                self._is_root_first = self._is_root_first or text.startswith("Wrapped by: ")
                if not self._open and text.startswith(_CAUSES):
                    self._find_exception_before()
                self._push(_Section(*found))
