"""What stands in the gaps of a message: ids, amounts, people. Faker is asked once, for it takes 50 µs a word."""

import random
import re
from collections.abc import Callable
from typing import NamedTuple

from faker import Faker

POOL_SIZE = 400
_GAP = re.compile(r"\{(\w+)\}")


class Message(NamedTuple):
    """A message with gaps, taken apart once: a %-format and the names of what goes into it."""

    format: str
    gaps: tuple[str, ...]


def message(text: str) -> Message:
    """Take apart a text whose gaps are written `{name}`."""
    return Message(_GAP.sub("%s", text.replace("%", "%%")), tuple(_GAP.findall(text)))


class Vocabulary:
    """Draws words by name. The words of a failure's message are numbers and ids only: its template must not vary."""

    def __init__(self, rng: random.Random) -> None:
        faker = Faker()
        faker.seed_instance(rng.getrandbits(64))
        self._rng = rng
        cities = _pool(faker.city)
        companies = _pool(lambda: faker.company().replace(",", ""))
        agents = _pool(faker.user_agent)
        paths = _pool(lambda: f"/{faker.uri_path(2)}")
        people = _pool(faker.first_name)
        self._draws: dict[str, Callable[[], str | int]] = {
            "order": lambda: f"ORD-{rng.getrandbits(26):08d}",
            "payment": lambda: f"pay_{rng.getrandbits(40):013d}",
            "shipment": lambda: f"SHP{rng.getrandbits(30):010d}",
            "coupon": lambda: f"CPN{rng.getrandbits(24):08d}",
            "sku": lambda: f"SKU-{rng.getrandbits(20):07d}",
            "customer": lambda: f"cus_{rng.getrandbits(40):013d}",
            "batch": lambda: f"batch-{rng.getrandbits(16):05d}",
            "uuid": lambda: _uuid(rng.getrandbits(128)),
            "amount": lambda: (
                f"{1 + rng.getrandbits(10)},{100 + int(rng.random() * 900)}.{10 + int(rng.random() * 90)}"
            ),
            "ms": lambda: 1 + rng.getrandbits(9),
            "slow_ms": lambda: 5_000 + rng.getrandbits(12),
            "count": lambda: 2 + rng.getrandbits(5),
            "large": lambda: 100_000 + rng.getrandbits(20),
            "thread": lambda: 1 + rng.getrandbits(6),
            "partition": lambda: rng.getrandbits(4),
            "ip": lambda: f"10.{rng.getrandbits(8)}.{rng.getrandbits(8)}.{1 + int(rng.random() * 254)}",
            "clock": lambda: f"14:{int(rng.random() * 60):02d}:{int(rng.random() * 60):02d}",
            "city": lambda: cities[int(rng.random() * POOL_SIZE)],
            "company": lambda: companies[int(rng.random() * POOL_SIZE)],
            "agent": lambda: agents[int(rng.random() * POOL_SIZE)],
            "path": lambda: paths[int(rng.random() * POOL_SIZE)],
            "person": lambda: people[int(rng.random() * POOL_SIZE)],
        }

    def render(self, message: Message) -> str:
        """Return the message with its gaps filled."""
        draws = self._draws
        return message.format % tuple([draws[gap]() for gap in message.gaps])

    def knows(self, gap: str) -> bool:
        """Tell whether there is a word for a gap."""
        return gap in self._draws

    def uuid(self) -> str:
        """Return a random UUID."""
        return _uuid(self._rng.getrandbits(128))


def _pool(draw: Callable[[], str]) -> list[str]:
    return [draw() for _ in range(POOL_SIZE)]


def _uuid(bits: int) -> str:
    # It begins with a letter: sixteen decimal digits with hyphens could pass for a payment card, and be redacted.
    digits = f"a{bits >> 4:031x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
