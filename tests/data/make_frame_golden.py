"""Write `frame.golden.bin`, which holds the Python and the Java side of the frame layout together.

Run from the repository's root, only when the layout gets a new version: `python tests/data/make_frame_golden.py`.
"""

from pathlib import Path

from udfs.frame import RawRecord, encode_frame

ORIGIN = "결제-로그/shardId-000000000007"
AFTER = "49590338271490256608559692538361571095921575989136588897"
RECORDS = [
    RawRecord("49590338271490256608559692538361571095921575989136588898", 1_795_338_000_123, b'{"a":1}'),
    RawRecord("0", 0, b""),
    RawRecord("1", -1, bytes(range(256))),
]

if __name__ == "__main__":
    Path(__file__).with_name("frame.golden.bin").write_bytes(encode_frame(ORIGIN, RECORDS, after=AFTER))
