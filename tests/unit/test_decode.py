"""Records are unpacked within bounds and split into numbered lines."""

import contextlib
import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from udfs.decode import split_lines, unpack
from udfs.errors import DecodeError

#: The machine may be busy.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

FLUENT_BIT = Path(__file__).parents[1] / "data" / "fluent-bit"
LIMIT = 1_000_000
TEXT = b'{"log_content":"one"}\n{"log_content":"two"}\n'


def zstd(data: bytes, *, write_checksum: bool = False, write_content_size: bool = True) -> bytes:
    compressor = zstandard.ZstdCompressor(write_checksum=write_checksum, write_content_size=write_content_size)
    return compressor.compress(data)


PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd}


@pytest.fixture(params=["gzip", "zstd"])
def packing(request: pytest.FixtureRequest) -> str:
    """Each way to pack, one after the other."""
    return str(request.param)


def error_of(payload: bytes, limit: int = LIMIT) -> str:
    with pytest.raises(DecodeError) as caught:
        unpack(payload, limit)
    return caught.value.error_type


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_fluent_bit_packed_is_what_it_sent_unpacked(compression: str) -> None:
    plain = (FLUENT_BIT / "aggregated.none.bin").read_bytes()
    packed = (FLUENT_BIT / f"aggregated.{compression}.bin").read_bytes()

    assert unpack(packed, LIMIT) == unpack(plain, LIMIT) == plain
    assert len(list(split_lines(plain, LIMIT))) == 6


def test_a_record_is_unpacked(packing: str) -> None:
    assert unpack(PACK[packing](TEXT), LIMIT) == TEXT


def test_members_that_follow_each_other_are_one_text(packing: str) -> None:
    pack = PACK[packing]

    assert unpack(pack(TEXT) + pack(b"") + pack(b"three\n"), LIMIT) == TEXT + b"three\n"


def test_a_zstd_frame_that_does_not_say_its_size_is_unpacked() -> None:
    assert unpack(zstd(TEXT, write_content_size=False), LIMIT) == TEXT


def test_a_zstd_frame_that_lies_about_its_size_is_refused() -> None:
    packed = bytearray(zstd(TEXT))
    packed[5] += 1  # the one byte of Frame_Content_Size, after magic number and descriptor (RFC 8878, 3.1.1)

    assert error_of(bytes(packed)) == "broken_zstd"


def test_a_zstd_frame_that_asks_for_much_memory_is_refused() -> None:
    # Magic number, a descriptor without single segment, and a window of 2**41 bytes.
    assert error_of(b"\x28\xb5\x2f\xfd\x00\xff" + bytes(20)) == "broken_zstd"


def test_a_record_cut_short_anywhere_is_refused(packing: str) -> None:
    packed = PACK[packing](TEXT)

    for length in range(4, len(packed)):
        assert error_of(packed[:length]) == f"cut_short_{packing}"


def test_a_second_member_cut_short_is_refused(packing: str) -> None:
    packed = PACK[packing](TEXT)

    assert error_of(packed + packed[:-3]) == f"cut_short_{packing}"


def test_something_else_behind_packed_data_is_refused(packing: str) -> None:
    assert error_of(PACK[packing](TEXT) + b"garbage") == f"trailing_garbage_{packing}"


def test_broken_data_are_refused(packing: str) -> None:
    packed = gzip.compress(TEXT * 100) if packing == "gzip" else zstd(TEXT * 100, write_checksum=True)

    assert error_of(packed[:14] + b"\xff" * 20 + packed[34:]) == f"broken_{packing}"


def test_a_bomb_is_refused_before_it_is_unpacked(packing: str) -> None:
    bomb = PACK[packing](bytes(300_000_000))

    assert len(bomb) < LIMIT
    assert error_of(bomb) == "record_too_large"


def test_a_text_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(packing: str) -> None:
    packed = PACK[packing](b"x" * 5_000)

    assert len(unpack(packed, 5_000)) == 5_000
    assert error_of(packed, 4_999) == "record_too_large"
    assert error_of(b"x" * 5_001, 5_000) == "record_too_large"


def test_what_was_packed_twice_is_unpacked_once(packing: str) -> None:
    inner = PACK[packing](TEXT)

    assert unpack(PACK[packing](inner), LIMIT) == inner


@pytest.mark.parametrize("payload", [b"", b" ", b"\n\r\n \t", gzip.compress(b""), gzip.compress(b" \n")])
def test_a_record_of_nothing_but_white_space_is_refused(payload: bytes) -> None:
    assert error_of(payload) == "empty_record"


@patient
@given(st.binary(max_size=300), st.sampled_from([b"", b"\x1f\x8b", b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"]))
def test_any_bytes_are_unpacked_or_refused(data: bytes, magic: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert unpack(magic + data, LIMIT)


def test_lines_keep_their_numbers_where_others_are_blank() -> None:
    assert list(split_lines(b"\n{1}\n\r\n  \n{2}\r\n{3}", LIMIT)) == [(1, b"{1}"), (4, b"{2}\r"), (5, b"{3}")]


def test_an_object_over_several_lines_is_one_line() -> None:
    spread = b'{\n  "log_content": "one",\n  "level": "INFO"\n}\n'

    assert list(split_lines(spread, LIMIT)) == [(0, spread)]


def test_an_object_that_is_cut_short_does_not_take_the_next_line_with_it() -> None:
    assert list(split_lines(b'{"log_content":"on\n{"log_content":"two"}', LIMIT)) == [
        (0, b'{"log_content":"on'),
        (1, b'{"log_content":"two"}'),
    ]


@patient
@given(st.binary(min_size=1, max_size=200).filter(lambda data: not data.isspace()))
def test_no_byte_of_a_record_is_lost_but_the_newlines(text: bytes) -> None:
    lines = list(split_lines(text, LIMIT))

    assert lines
    if len(lines) == 1 and lines[0] == (0, text):
        return
    blank = [number for number, line in enumerate(text.split(b"\n")) if not line.strip()]
    kept = dict(lines)
    assert all(kept.get(number, b"").strip() == line.strip() for number, line in enumerate(text.split(b"\n")))
    assert not kept.keys() & set(blank)


@pytest.mark.parametrize("bad", [b"caf\xe9", b"nul \0", b"x" * 90])
def test_a_bad_line_takes_no_raw_text_above_it_along(bad: bytes) -> None:
    good = b"[ERROR] pay: boom"

    assert list(split_lines(good + b"\n\tat a.B\n" + bad + b"\n" + good, 100)) == [
        *((0, good + b"\n\tat a.B"), (2, bad), (3, good))
    ]


def test_a_raw_text_keeps_the_trace_below_it() -> None:
    trace = b"[ERROR] pay: boom\njava.lang.E: bad\n\tat a.B.c(B.java:1)\nCaused by: java.lang.F: worse\n\t... 5 more"
    python = b"ERROR pay-api: boom\nTraceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'x'"

    assert list(split_lines(trace, LIMIT)) == [(0, trace)]
    assert list(split_lines(python, LIMIT)) == [(0, python)]
    assert list(split_lines(trace + b"\n\n" + python + b'\n{"log_content":"x"}\nloose', LIMIT)) == [
        *((0, trace), (6, python), (10, b'{"log_content":"x"}'), (11, b"loose"))
    ]
