"""Log lines that hold no secret but look so: identifiers, hidden values, words about passwords."""

import random
import uuid
from collections.abc import Iterator
from typing import NamedTuple

from local.generator.draw import Draw, card, fill, grouped, iban, shapes


class Lookalike(NamedTuple):
    """A log line that is to stay as it is, and the name of its kind."""

    kind: str
    log_content: str


_SHAPES = {
    "git-commit": ("checked out {x40}", "image built from commit {x7}", "HEAD is now at {x10} fix retry"),
    "digest": ("pulled acme/pay@sha256:{x64}", "sha256={x64} size={n7}", "md5 {x32} does not match {x32}"),
    "trace-id": ("trace={x32} span={x16}", "traceparent: 00-{x32}-{x16}-01", "X-Request-Id: {x32}"),
    "etag": ('ETag: "{x32}"', 'If-None-Match: W/"{x16}"'),
    "order-number": ("order ORD-{d8} was paid", "주문번호 {n8} 취소", "order 20261122{d8} shipped", "orderId=A{d9}"),
    "tracking-number": ("parcel {n4}-{d4}-{d3} left Incheon", "운송장번호 5{d11} 배송중"),
    "business-number": ("사업자등록번호 {n3}-{n2}-{d5}",),
    "product-code": (
        "ISBN 978{d10} is out of stock",
        "SKU-{d7} x 3",
        "EAN 880{d10} 재고 없음",
        "serial {n3}-{u4}-{d3}",
    ),
    "epoch": ("at 17{d8} s", "ts=17630{d8} late", "timestamp 1763{d15} ns", "exp=1795{d6}"),
    "time": ("2026-11-22T14:02:11.{d9}+09:00 done", "22/Nov/2026:14:02:11 +0900", "2026-11-22 14:02:11,{d3}"),
    "duration": ("took {n4}.{d3} ms", "timeout after {n5}ms", "uptime {n6}s"),
    "amount": ("total {n3},{d3},{d3} KRW", "balance is {n4}.{d2}", "결제금액 {n2},{d3}원", "amount={n7}"),
    "version": ("version 1.{d2}.{d1}-{d4}", "openssl 3.0.{d1} loaded", "pay:v2026.11.22-{x7} rolled out"),
    "address": ("connect to 10.{n2}.{n2}.{n1}:8443 refused", "from 192.168.{n2}.{n2} port {n5}", "fe80::{x4}%eth0"),
    "hardware-address": ("eth0 {x2}:{x2}:{x2}:{x2}:{x2}:{x2} up",),
    "pod": ("pod cart-{x10}-{l5} restarted {n1} times", "node ip-10-0-{n2}-{n2}.ec2.internal not ready"),
    "arn": (
        "arn:aws:secretsmanager:ap-northeast-2:{n12}:secret:prod/db-{w6} was read",
        "role arn:aws:iam::{n12}:role/pay assumed",
    ),
    "aws-id": ("instance i-{x17} terminated", "sg-{x17} has no rule", "subnet subnet-{x17} is full"),
    "kubernetes-secret": ("mount secret/db-credentials failed", 'Secret "pay-tls" not found', "secretName: pay-tls"),
    "masked": ("card {d4}-****-****-{d4}", "password=********", "token: ***{w4}", "email j***@acme.io", "pwd=xxxxxxxx"),
    "masked-by-word": ("password=[REDACTED]", "secret: <hidden>", '"token":"[FILTERED]"', "api_key=(masked)"),
    "placeholder": ("password=${DB_PASSWORD}", "token=<your-token>", "secret: {{ .Values.secret }}", "api_key=%s"),
    "no-value": ("password=null", "token: none", '"secret":""', "password=", "apiKey=undefined", "token=true"),
    "about-passwords": (
        "Failed password for root from 10.0.0.{n2} port {n5} ssh2",
        "password must be at least 12 characters",
        "invalid password: attempt {n1}",
        "password authentication failed for user app",
        "password changed for user {n4}",
        "the password has expired",
    ),
    "about-tokens": (
        "token expired at 14:02:11",
        "max_tokens={n4}, prompt_tokens: {n3}",
        "token_type=bearer",
        "Unexpected token < in JSON at position {n2}",
        "unexpected token: identifier",
        "bearer authentication failed",
        "refresh token is missing",
    ),
    "about-keys": (
        "duplicate key value violates unique constraint orders_pkey",
        "key=user:{n5} ttl={n3}",
        "primary key ({n4}) already exists",
        "API key is invalid",
        "public key accepted",
    ),
    "about-codes": ("error code: {n4}", "status code {n3}", "exit code 137", "우편번호 0{n4}", "코드 {n4} 오류"),
    "korean-words": (
        "비밀번호가 일치하지 않습니다",
        "비밀번호: 8자 이상이어야 합니다",
        "인증번호가 만료되었습니다",
        "토큰이 만료되어 재발급합니다",
        "카드사 승인 거절 (코드 {n4})",
        "계좌 조회에 실패했습니다",
    ),
    "stack-frame": ("\tat com.acme.auth.TokenFilter.doFilter(TokenFilter.java:{n3})", "pay.PasswordService$Reset@{x8}"),
    "url": ("GET https://acme.io:8443/users/{n6}?page={n2} 200", "https://acme.io/@ann/posts/{n5}", "/v1/tokens/{n4}"),
    "at-sign": ("icon-{n2}@2x.png not found", "user@{n4}.service up", "git@github.com:acme/pay.git", "@Async"),
    "coordinates": ("position 37.{d6},126.{d6}", "lat=37.{d7} lng=127.{d7}"),
    "snowflake": ("message 11{d16} delivered", "tweet id 17{d17}"),
    "hex": ("0x{x16} is not mapped", "segfault at {x12} ip {x16}", "dump: {x2} {x2} {x2} {x2} {x2} {x2} {x2} {x2}"),
    "metric": ('http_requests_total{code="200"} {n6}', "heap {n10} bytes of {n10}", "offset {n9} lag {n3}"),
    "resource-key": ("s3://logs/2026/11/22/part-{d5}-{x8}.gz", "redis key session:{n6} evicted", "kms key alias/pay"),
    "base64-words": ("Content-Type: application/octet-stream", "ThisIsALongClassNameWithoutAnyDigits failed"),
}


def lookalikes(seed: int, count: int) -> Iterator[Lookalike]:
    """Yield log lines that are to stay as they are, all kinds in turn."""
    rng = random.Random(seed)  # noqa: S311 - made-up data, the same for a seed
    for number in range(count):
        kind = _KINDS[number % len(_KINDS)]
        yield Lookalike(kind, _DRAWS[kind](rng))


def _uuid(rng: random.Random) -> str:
    return f"request {uuid.UUID(int=rng.getrandbits(128), version=4)} failed"


def _no_card(rng: random.Random) -> str:
    """Return a number that would be a card, had it another last digit."""
    number = card(rng, rng.choice(("4", "51", "6011")), 16)
    wrong = f"{number[:-1]}{(int(number[-1]) + rng.randrange(1, 10)) % 10}"
    return f"reference {grouped(wrong, (4,), rng.choice(('', ' ', '-')))} unknown"


def _no_iban(rng: random.Random) -> str:
    number = iban(rng, "DE", "{n8}{d10}")
    return f"reference {number[:2]}{(int(number[2:4]) + 1) % 100:02}{number[4:]} unknown"


_DRAWS: dict[str, Draw] = {
    **{kind: shapes(*alternatives) for kind, alternatives in _SHAPES.items()},
    "uuid": _uuid,
    "no-card": _no_card,
    "no-iban": _no_iban,
    "counts": lambda rng: fill(rng, f"processed {rng.randrange(10**9)} of {rng.randrange(10**9)} records"),
}
_KINDS = tuple(_DRAWS)
