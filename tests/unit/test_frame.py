"""Frames: what the Java sources write is what Python reads."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udfs.frame import FrameError, RawRecord, decode_frame, encode_frame

GOLDEN = Path(__file__).parents[1] / "data" / "frame.golden.bin"

sequences = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=60)
raw_records = st.builds(
    RawRecord,
    sequence=sequences,
    arrival_time=st.integers(-(2**63), 2**63 - 1),
    payload=st.binary(max_size=300),
)


def test_the_golden_frame_that_java_writes_is_read() -> None:
    batch = decode_frame(GOLDEN.read_bytes())

    assert batch.origin == "결제-로그/shardId-000000000007"
    assert batch.after == "49590338271490256608559692538361571095921575989136588897"
    assert batch.records == [
        RawRecord("49590338271490256608559692538361571095921575989136588898", 1_795_338_000_123, b'{"a":1}'),
        RawRecord("0", 0, b""),
        RawRecord("1", -1, bytes(range(256))),
    ]


def test_python_writes_the_golden_frame_byte_for_byte() -> None:
    batch = decode_frame(GOLDEN.read_bytes())

    assert encode_frame(batch.origin, batch.records, after=batch.after) == GOLDEN.read_bytes()


@given(origin=st.text(max_size=100), after=sequences, records=st.lists(raw_records, max_size=20))
def test_decoding_gives_back_what_was_encoded(origin: str, after: str, records: list[RawRecord]) -> None:
    assert decode_frame(encode_frame(origin, records, after=after)) == (origin, after, records)


@given(origin=st.text(max_size=20), after=sequences, records=st.lists(raw_records, max_size=5), data=st.data())
def test_a_frame_cut_anywhere_is_refused(
    origin: str, after: str, records: list[RawRecord], data: st.DataObject
) -> None:
    frame = encode_frame(origin, records, after=after)
    length = data.draw(st.integers(0, len(frame) - 1))

    with pytest.raises(FrameError):
        decode_frame(frame[:length])


def test_a_frame_cut_inside_a_letter_of_its_origin_is_refused() -> None:
    with pytest.raises(FrameError, match="cut short"):
        decode_frame(GOLDEN.read_bytes()[:15])


@given(extra=st.binary(min_size=1, max_size=20))
def test_a_frame_with_bytes_behind_it_is_refused(extra: bytes) -> None:
    with pytest.raises(FrameError, match="does not match"):
        decode_frame(encode_frame("stream/shard", [RawRecord("1", 2, b"x")]) + extra)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (b"", "cut short"),
        (b"CALF", "cut short"),
        (b"JUNK" + bytes(10), "not a version 2 frame"),
        (struct.pack(">4sBBHHI", b"CALF", 1, 0, 0, 0, 0), "not a version 2 frame"),
        (struct.pack(">4sBBHHI", b"CALF", 2, 0, 0, 0, 0xFFFFFFFF), "cut short"),
    ],
)
def test_what_no_source_of_ours_wrote_is_refused(frame: bytes, message: str) -> None:
    with pytest.raises(FrameError, match=message):
        decode_frame(frame)
