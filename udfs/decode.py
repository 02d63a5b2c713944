"""From the bytes of a record to its lines: unpack, then split."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import orjson
import zstandard

from udfs.errors import DecodeError
from udfs.text import read_header, read_text

#: Memory that a zstd frame may ask for. Level 19 needs 8 MiB; a frame that claims more is refused unread.
_ZSTD_MAX_WINDOW = 8 * 1024 * 1024

#: gzip framing for zlib, with its largest window.
_GZIP_WINDOW_BITS = 31


class _Packing(NamedTuple):
    """A way to pack. A slice is so small that a bomb gets few MiB beyond the limit before it is seen."""

    name: str
    magic: bytes
    slice_bytes: int
    error: type[Exception]
    open: Callable[[], Any]


_PACKINGS = (
    # 1,032 : 1 at most, so 16 MiB.
    _Packing("gzip", b"\x1f\x8b", 16 * 1024, zlib.error, lambda: zlib.decompressobj(_GZIP_WINDOW_BITS)),
    # Four bytes can unpack to a block of 128 KiB, so 8 MiB.
    _Packing(
        "zstd",
        b"\x28\xb5\x2f\xfd",
        256,
        zstandard.ZstdError,
        lambda: zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW).decompressobj(),
    ),
)


def unpack(payload: bytes, limit: int) -> bytes:
    """Return the text of a record, unpacked where its magic bytes say gzip or zstd; at most `limit` bytes.

    What was packed twice is unpacked once.

    Raises:
        DecodeError: nothing is in the record, or what was packed is cut short, broken, followed by something else,
            or unpacks to more than `limit`.
    """
    packing = next((packing for packing in _PACKINGS if payload.startswith(packing.magic)), None)
    text = payload if packing is None else _unpack(packing, payload, limit)
    _refuse_bomb(len(text), limit)
    if not text or text.isspace():
        raise DecodeError("empty_record", "the record holds nothing but white space")
    return text


def refuse_too_many_lines(text: bytes, limit: int) -> None:
    """Refuse a record that unpacks to few bytes and many lines: each would cost a document or a dead letter.

    Raises:
        DecodeError: there are more than `limit` lines.
    """
    if text.count(b"\n") > limit:
        raise DecodeError("too_many_lines", f"the record holds more than {limit} lines")


def split_lines(text: bytes, max_line_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a record with their numbers, counted from 0; a blank line is left out but counted.

    One JSON object written over several lines is one line, and so is a raw text with the stack trace below it, as long
    as both are text and together at most `max_line_bytes`.
    """
    if b"\n" not in text or _is_spread_json(text):
        yield 0, text
        return
    lines = ((number, line) for number, line in enumerate(text.split(b"\n")) if line and not line.isspace())
    yield from _join_traces(lines, max_line_bytes)


def _join_traces(lines: Iterable[tuple[int, bytes]], max_line_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Put the lines that say nothing of themselves behind the raw text above them. What is JSON stays alone."""
    first, pieces, size = 0, list[bytes](), 0
    for number, line in lines:
        text = _raw_text(line)
        if pieces and text is not None and size + len(line) < max_line_bytes and read_header(text) is None:
            pieces.append(line)
            size += 1 + len(line)
            continue
        if pieces:
            yield first, b"\n".join(pieces)
            pieces = []
        if text is None or read_text(text) is None:
            yield number, line
        else:
            first, pieces, size = number, [line], len(line)
    if pieces:
        yield first, b"\n".join(pieces)


def _raw_text(line: bytes) -> str | None:
    """Return a line that is neither JSON nor broken as text."""
    if line.lstrip().startswith(b"{") or b"\0" in line:
        return None
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _is_spread_json(text: bytes) -> bool:
    """Tell whether the text is one JSON object whose first line is not complete; others are not even tried."""
    first = text.lstrip().split(b"\n", 1)[0].strip()
    if not first.startswith(b"{") or first.endswith(b"}"):
        return False
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def _unpack(packing: _Packing, payload: bytes, limit: int) -> bytes:
    """Unpack members (gzip) or frames (zstd) that follow each other, slice by slice."""
    pieces = []
    size = position = 0
    stream = packing.open()
    while position < len(payload):
        if stream.eof:
            if not payload.startswith(packing.magic, position):
                raise DecodeError(f"trailing_garbage_{packing.name}", f"something else follows the {packing.name} data")
            stream = packing.open()
        fed = payload[position : position + packing.slice_bytes]
        try:
            piece = stream.decompress(fed)
        except packing.error:
            raise DecodeError(f"broken_{packing.name}", f"the {packing.name} data cannot be unpacked") from None
        position += len(fed) - len(stream.unused_data)
        size += len(piece)
        _refuse_bomb(size, limit)
        pieces.append(piece)
    if not stream.eof:
        raise DecodeError(f"cut_short_{packing.name}", f"the {packing.name} data end before they are complete")
    return b"".join(pieces)


def _refuse_bomb(size: int, limit: int) -> None:
    if size > limit:
        raise DecodeError("record_too_large", f"the record unpacks to more than {limit} bytes")
