"""Who writes: the pods of ten services, each with its own words."""

import random
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from local.generator.failures import FailureKind
from local.generator.records import Line
from local.generator.services import Service
from local.generator.vocabulary import Message, Vocabulary, message

PODS_PER_SERVICE = 3
NODES = 6
_DETAIL_SHARE = 0.06
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


class _Pod(NamedTuple):
    fields: dict[str, str]
    messages: tuple[Message, ...]
    details: tuple[Message, ...]


class Company:
    """Writes lines as Fluent Bit delivers them. `stamp` is the time that a line speaks of, as ISO-8601 text."""

    def __init__(self, rng: random.Random, services: Sequence[Service]) -> None:
        self._rng = rng
        self._vocabulary = Vocabulary(rng)
        self._pods = {service.name: [_pod(service, rng) for _ in range(PODS_PER_SERVICE)] for service in services}
        self._crowd = [pod for service in services for pod in self._pods[service.name] * service.weight]
        self._messages: dict[str, Message] = {}
        self._different = 0

    def ordinary(self, stamp: str) -> Line:
        """Write what is said every day, at INFO or below."""
        random_number = self._rng.random
        pod = self._crowd[int(random_number() * len(self._crowd))]
        if random_number() < _DETAIL_SHARE:
            level = "TRACE" if random_number() < _DETAIL_SHARE else "DEBUG"
            words = pod.details
        else:
            level, words = "INFO", pod.messages
        return self._json(pod, stamp, level, self._vocabulary.render(words[int(random_number() * len(words))]))

    def say(self, stamp: str, content: str) -> Line:
        """Write a given text at INFO."""
        return self._json(self._rng.choice(self._crowd), stamp, "INFO", content)

    def fail(self, kind: FailureKind, stamp: str) -> Line:
        """Write one line of a failure."""
        words = self._messages.get(kind.name)
        if words is None:
            words = self._messages[kind.name] = message(kind.content)
        content = self._vocabulary.render(words)
        if kind.raw:
            return Line(f"[{kind.level}] {kind.service}: {content}".encode(), kind.name)
        return self._json(self._rng.choice(self._pods[kind.service]), stamp, kind.level, content, kind.name)

    def fail_differently(self, stamp: str) -> Line:
        """Write an error that was never seen before: it differs from every other one by a word, not by a number."""
        self._different += 1
        content = f"handler {_word(self._different)} gave up: nobody knows how to continue"
        return self._json(self._rng.choice(self._crowd), stamp, "ERROR", content)

    def _json(self, pod: _Pod, stamp: str, level: str, content: str, kind: str | None = None) -> Line:
        bits = self._rng.getrandbits
        return Line(
            orjson.dumps(
                {
                    "timestamp": stamp,
                    "level": level,
                    "log_content": content,
                    **pod.fields,
                    "trace_id": f"{bits(128):032x}",
                    "span_id": f"{bits(64):016x}",
                    "log.record.uid": self._vocabulary.uuid(),
                }
            ),
            kind,
        )


def _pod(service: Service, rng: random.Random) -> _Pod:
    replica_set = f"{rng.getrandbits(36):09x}"
    fields = {
        "service": service.name,
        "namespace": "prod",
        "pod": f"{service.name}-{replica_set}-{rng.getrandbits(20):05x}",
        "node": f"ip-10-0-{rng.randrange(NODES)}-{rng.randrange(10, 250)}.ap-northeast-2.compute.internal",
        "container": service.container,
        "logger": service.logger,
    }
    return _Pod(fields, tuple(map(message, service.messages)), tuple(map(message, service.details)))


def _word(number: int) -> str:
    """Return a word for a number: no two numbers have the same, and no word has a digit."""
    syllables = []
    while number:
        number, place = divmod(number, len(_SYLLABLES))
        syllables.append(_SYLLABLES[place])
    return "".join(syllables) + "x"
