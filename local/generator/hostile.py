"""Records that no pipeline wishes for: broken, huge, booby-trapped. Each says what must become of it."""

import gzip
import random
from collections.abc import Callable
from typing import NamedTuple

import orjson
import zstandard

from local.generator.draw import card
from local.generator.records import Record

#: Beyond the job's default limits for a line and for what a record may unpack to.
OVERSIZE_LINE_BYTES = 300_000
BOMB_BYTES = 64 * 1024 * 1024
_NESTING = 5_000


class Hostile(NamedTuple):
    """A kind of hostile record. Where `is_text`, it is one line and may also stand in a file of lines."""

    name: str
    make: Callable[[bytes], Record]
    is_text: bool = True


def _dead(data: bytes) -> Record:
    return Record(data, dead_letters=1)


def _with(good: bytes, **fields: object) -> bytes:
    return orjson.dumps(orjson.loads(good) | fields)


#: Each is made from an ordinary line, so that only one thing is wrong with it.
HOSTILE = (
    Hostile("truncated-json", lambda good: _dead(good[: len(good) // 2])),
    Hostile("wrong-type", lambda good: _dead(_with(good, log_content=42))),
    Hostile("wrong-type-level", lambda good: _dead(_with(good, level=["ERROR"]))),
    Hostile("no-object", lambda _: _dead(b'["timestamp","level","service"]')),
    Hostile("no-reading", lambda _: _dead(b"~~~ %% just some words without any meaning %% ~~~")),
    Hostile("nul-byte", lambda good: _dead(good.replace(b'"level"', b'"le\0vel"', 1))),
    Hostile("invalid-utf8", lambda good: _dead(good.replace(b'"log_content":"', b'"log_content":"\xff\xfe\xc3(', 1))),
    Hostile("oversize-line", lambda good: _dead(_with(good, log_content="x" * OVERSIZE_LINE_BYTES))),
    Hostile("nested-too-deep", lambda good: _dead(good[:-1] + b',"a":' + b"[" * _NESTING + b"]" * _NESTING + b"}")),
    Hostile("gzip-bomb", lambda _: _dead(gzip.compress(bytes(BOMB_BYTES), mtime=0)), is_text=False),
    Hostile("zstd-bomb", lambda _: _dead(zstandard.ZstdCompressor().compress(bytes(BOMB_BYTES))), is_text=False),
    Hostile("cut-gzip", lambda good: _dead(gzip.compress(good + b"\n" + good, mtime=0)[:-12]), is_text=False),
    Hostile("cut-zstd", lambda good: _dead(zstandard.ZstdCompressor().compress(good)[:-7]), is_text=False),
    Hostile("empty", lambda _: _dead(b""), is_text=False),
    Hostile("white-space", lambda _: _dead(b" \n\t\n"), is_text=False),
    Hostile(
        "truncated-among-good",
        lambda good: Record(b"\n".join((good, good[:40], good)), lines=2, dead_letters=1),
        is_text=False,
    ),
    Hostile("unknown-level", lambda good: Record(_with(good, level="LOUD"), lines=1)),
    Hostile("time-outside-skew", lambda good: Record(_with(good, timestamp="1999-12-31T23:59:59Z"), lines=1)),
    Hostile("time-unreadable", lambda good: Record(_with(good, timestamp="half past nine"), lines=1)),
    Hostile(
        "hostile-attributes",
        lambda good: Record(_with(good, **{f"k{number}.x": number for number in range(500)}, __proto__={}), lines=1),
    ),
)


class SecretLine(NamedTuple):
    """A message with a secret in it, and the secret. Made when asked for, so that none lies in the source."""

    content: str
    secret: str


def secret_lines(rng: random.Random) -> list[SecretLine]:
    """Return one message for each form of secret."""
    secrets = (
        ("using access key {} for the archive", "AKIA" + _letters(rng, 16)),
        ("login with password={} was accepted", _letters(rng, 14)),
        ("calling partner with Authorization: Bearer {}", _letters(rng, 40)),
        ("card {} tokenised", card(rng, "4", 16)),
        ("receipt sent to {}", f"{_letters(rng, 9).lower()}@shop.example.com"),
        ("stripe client ready, key {}", "sk_" + "live_" + _letters(rng, 24)),
        ("connecting to postgres://ledger:{}@db.internal:5432/ledger", _letters(rng, 12)),
        ("session token is {}", f"eyJ{_letters(rng, 20)}.eyJ{_letters(rng, 30)}.{_letters(rng, 43)}"),
    )
    return [SecretLine(text.format(secret), secret) for text, secret in secrets]


def _letters(rng: random.Random, count: int) -> str:
    return "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=count))
