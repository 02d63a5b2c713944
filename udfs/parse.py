"""From a line to a `LogEntry`: JSON under the names of common loggers, or a text that says its level."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import orjson
import re2
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from schemas.log_entry import NAMES, LogEntry
from udfs.errors import BadInputError, ParseError, ValidateError
from udfs.text import read_header, read_text

#: Lines that are validated in one call. One bad line makes its whole block be read line by line.
BLOCK = 64

#: Stands before each line of a block. A line that closes its own JSON and opens more cannot know it, so no line can
#: pass for two, or swallow the next.
_FENCE = secrets.token_hex(16)
_ENTRY = TypeAdapter(LogEntry)
_BLOCK_OF_ENTRIES: TypeAdapter[list[tuple[str, LogEntry]]] = TypeAdapter(list[tuple[Literal[_FENCE], LogEntry]])  # type: ignore[valid-type] # a literal made at run time
_BLOCK_START = f'[["{_FENCE}",'.encode()
# A newline cannot be inside a JSON string, so no line's open string goes on in the next.
_BLOCK_NEXT = f'],\n["{_FENCE}",'.encode()
_BLOCK_END = b"]]"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

#: Escapes in JSON: pairs of surrogates, lone ones, and any other.
_ESCAPE = re2.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)

#: Fluent Bit's `kubernetes` filter, and the fields of ours.
_KUBERNETES = {"pod_name": "pod", "namespace_name": "namespace", "host": "node", "container_name": "container"}
_SERVICE_LABELS = ("app.kubernetes.io/name", "app", "k8s-app")
#: Containers that are called after their part in the pod, in every service.
_NAMELESS_CONTAINERS = frozenset({"main", "app", "application", "server", "container"})

#: All fields but the content, which may be empty.
_OPTIONAL = tuple(field for field in LogEntry.model_fields if field != "log_content")
#: The numbers that a field may be.
_NUMBERS = {"timestamp": (int, float), "level": (int,)}

#: Where loggers put a stack trace that is not in the message.
_STACK_FIELDS = (
    "stack_trace",
    "stacktrace",
    "stack",
    "exception",
    "exc_info",
    "error.stack_trace",
    "error.stack",
    "exception.stacktrace",
)
_STACK_OBJECTS = ("error", "err", "exception")
_STACK_OBJECT_FIELDS = ("stack", "stack_trace", "stacktrace")
_STACK_NAMES = frozenset({*_STACK_FIELDS, *_STACK_OBJECTS})


def read_entries(lines: Sequence[bytes], max_line_bytes: int) -> list[LogEntry | BadInputError]:
    """Read lines; what `read_entry` would raise for a line stands in its place."""
    entries: list[LogEntry | BadInputError] = []
    for start in range(0, len(lines), BLOCK):
        block = lines[start : start + BLOCK]
        entries += _read_block(block, max_line_bytes) or _read_each(block, max_line_bytes)
    return entries


def read_entry(line: bytes, max_line_bytes: int) -> LogEntry:
    """Read one line.

    Raises:
        ParseError: the line is too long, no text, neither JSON nor a text with a level.
        ValidateError: a field has the wrong type.
    """
    if len(line) > max_line_bytes:
        raise ParseError("line_too_long", f"the line has more than {max_line_bytes} bytes")
    try:
        return _ENTRY.validate_json(line)
    except ValidationError as error:
        return _read_unusual(line, error)


def complete(entry: LogEntry) -> None:
    """Fill what is missing in an entry from where else it may be: Kubernetes metadata, a trace, the text itself."""
    _forget_empty(entry)
    if entry.level is None and entry.log_content.startswith("{"):
        _lift_json(entry)
    if entry.__pydantic_extra__:
        _lift_other_names(entry, entry.__pydantic_extra__)
        _lift_kubernetes(entry, entry.__pydantic_extra__)
        _append_stack(entry, entry.__pydantic_extra__)
    if entry.level is None:
        _lift_header(entry)
    if entry.service is None:
        entry.service = _service_of_container(entry.container)


def _read_block(block: Sequence[bytes], max_line_bytes: int) -> list[LogEntry] | None:
    if max(map(len, block)) > max_line_bytes:
        return None
    try:
        fenced = _BLOCK_OF_ENTRIES.validate_json(_BLOCK_START + _BLOCK_NEXT.join(block) + _BLOCK_END)
    except ValidationError:
        return None
    return [entry for _, entry in fenced] if len(fenced) == len(block) else None


def _read_each(block: Iterable[bytes], max_line_bytes: int) -> list[LogEntry | BadInputError]:
    entries: list[LogEntry | BadInputError] = []
    for line in block:
        try:
            entries.append(read_entry(line, max_line_bytes))
        except BadInputError as error:
            entries.append(error)
    return entries


def _read_unusual(line: bytes, error: ValidationError) -> LogEntry:
    """Read a line that is not the JSON of an entry, or say what is wrong with it."""
    if b"\0" in line:
        raise ParseError("nul_byte", "the line holds NUL bytes")
    try:
        text = line.decode()
    except UnicodeDecodeError as problem:
        raise ParseError("invalid_utf8", f"the line is not UTF-8 from byte {problem.start} on") from None
    bare = line.removeprefix(_BYTE_ORDER_MARK).strip()
    if bare.startswith(b"{"):
        mended = _without_null_contents(_without_lone_surrogates(bare))
        if mended == line:
            raise _explain(error)
        return _read_mended(mended)
    return _read_raw(text.removeprefix("\ufeff").rstrip("\r"))


def _read_mended(line: bytes) -> LogEntry:
    try:
        return _ENTRY.validate_json(line)
    except ValidationError as error:
        raise _explain(error) from None


def _without_lone_surrogates(line: bytes) -> bytes:
    """Replace halves of characters, which loggers leave that cut texts at a length in UTF-16."""
    if b"\\u" not in line:
        return line
    return _ESCAPE.sub(lambda match: b"\\ufffd" if match[1] else match.group(), line)  # type: ignore[no-any-return]


def _without_null_contents(line: bytes) -> bytes:
    """Leave a null content out where the content stands under another of its names."""
    if b"null" not in line:
        return line
    try:
        fields = from_json(line)
    except ValueError:
        return line
    contents = [name for name in fields if NAMES.get(name) == "log_content"] if isinstance(fields, dict) else []
    if all(fields[name] is None for name in contents):
        return line
    return to_json({name: value for name, value in fields.items() if name not in contents or value is not None})


def _read_raw(text: str) -> LogEntry:
    if _is_json(text):
        raise ParseError("not_an_object", "the line is JSON, but not an object")
    reading = read_text(text)
    if reading is None:
        raise ParseError("no_reading", "the line is neither JSON nor a text with a level")
    return LogEntry(
        level=reading.level, service=reading.service, timestamp=reading.timestamp, log_content=reading.message
    )


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _explain(error: ValidationError) -> BadInputError:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if problem["type"] == "json_invalid":
        return _explain_json(problem)
    if problem["type"] == "model_type":
        return ParseError("not_an_object", "the line is JSON, but not an object")
    field = problem["loc"][0]
    if problem["type"] == "missing":
        return ValidateError("missing_field", f"{field}: there is none")
    return ValidateError("wrong_type", f"{field}: {problem['msg']}")


def _explain_json(problem: ErrorDetails) -> ParseError:
    if "recursion" in problem["msg"]:
        return ParseError("nested_too_deep", "the JSON is nested too deep")
    return ParseError("invalid_json", problem["msg"])


def _lift_json(entry: LogEntry) -> None:
    """Read a record that an agent has put as a text into one of its own, and keep what only the agent knows."""
    try:
        inner = _ENTRY.validate_json(entry.log_content)
    except ValidationError:
        return
    ours, theirs = vars(entry), vars(inner)
    for field, value in theirs.items():
        if ours[field] is None:
            ours[field] = value
    entry.log_content = inner.log_content
    entry.__pydantic_extra__ = inner.extras | entry.extras


def _forget_empty(entry: LogEntry) -> None:
    """Make null of empty names, which stand where loggers have nothing to say."""
    fields = vars(entry)
    for field in _OPTIONAL:
        if fields[field] == "":
            fields[field] = None


def _lift_other_names(entry: LogEntry, extras: dict[str, Any]) -> None:
    """Where a field says nothing, take what stands under another of its names."""
    if extras.keys().isdisjoint(NAMES):
        return
    fields = vars(entry)
    for name, field in NAMES.items():
        value = extras.get(name)
        if value != "" and type(value) in _types_of(field) and fields[field] in (None, ""):
            fields[field] = extras.pop(name)


def _types_of(field: str) -> tuple[type, ...]:
    return (str, *_NUMBERS.get(field, ()))


def _lift_header(entry: LogEntry) -> None:
    reading = read_header(entry.log_content)
    if reading is None:
        return
    entry.level = reading.level
    entry.log_content = reading.message
    if entry.service is None:
        entry.service = reading.service
    if entry.timestamp is None:
        entry.timestamp = reading.timestamp


def _service_of_container(container: str | None) -> str | None:
    return None if container in _NAMELESS_CONTAINERS else container


def _lift_kubernetes(entry: LogEntry, extras: dict[str, Any]) -> None:
    metadata = extras.get("kubernetes")
    if not isinstance(metadata, dict):
        return
    rest = dict(metadata)
    fields = vars(entry)
    for theirs, ours in _KUBERNETES.items():
        if isinstance(rest.get(theirs), str) and fields[ours] is None:
            fields[ours] = rest.pop(theirs)
    labels = metadata.get("labels")
    if entry.service is None and isinstance(labels, dict):
        names = (labels.get(label) for label in _SERVICE_LABELS)
        entry.service = next((name for name in names if isinstance(name, str) and name), None)
    extras["kubernetes"] = rest
    if not rest:
        del extras["kubernetes"]


def _append_stack(entry: LogEntry, extras: dict[str, Any]) -> None:
    if extras.keys().isdisjoint(_STACK_NAMES):
        return
    for holder, field in _stack_places(extras):
        stack = holder.get(field)
        if isinstance(stack, str) and stack.strip():
            if stack not in entry.log_content:
                entry.log_content = f"{entry.log_content}\n{stack}"
            del holder[field]
            return


def _stack_places(extras: dict[str, Any]) -> Iterable[tuple[dict[str, Any], str]]:
    for field in _STACK_FIELDS:
        yield extras, field
    for name in _STACK_OBJECTS:
        holder = extras.get(name)
        if isinstance(holder, dict):
            for field in _STACK_OBJECT_FIELDS:
                yield holder, field
