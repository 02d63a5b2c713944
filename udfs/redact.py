"""Take secrets and personal data out of text.

What is redacted twice stays as it is, so that a replay from the archive sees what the live job saw.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import orjson
import re2

from udfs.cache import BoundedCache
from udfs.ruleset import REDACT_DATE, Rule, RuleError, load_rules, rule_file

SECRET = "<secret>"  # noqa: S105 # the placeholder, not a secret

#: The name under which the values of secret keys are counted.
SECRET_KEY = "secret-key"  # noqa: S105 # a rule's name

#: A text is redacted until nothing changes. One pass does, save where a placeholder made a new word boundary.
_MAX_PASSES = 4

#: What makes JSON suspect whatever else it holds.
_ESCAPE = b"\\"

#: Whole numbers below cannot be a card or a telephone number.
_SMALL_NUMBER = 10**9
_MAX_KEYS = 4096
_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_IBAN_MODULUS = 97


class Hit(NamedTuple):
    """How often a rule took something out of a text."""

    rule: str
    times: int


class Redaction(NamedTuple):
    """What was given, redacted, and the rules that changed it."""

    value: Any
    hits: tuple[Hit, ...]


class _CompiledRule(NamedTuple):
    name: str
    pattern: Any
    replacement: bytes
    is_real: Callable[[bytes], bool] | None


class RedactRules(NamedTuple):
    """A released rule set: patterns for texts, and patterns for the keys whose values are secret."""

    rules: tuple[Rule, ...]
    secret_keys: tuple[Rule, ...]


def load_redact_rules(date: str = REDACT_DATE) -> RedactRules:
    """Read a released rule set.

    Raises:
        RuleError: the file is wrong.
    """
    path = rule_file("redact", date)
    return RedactRules(load_rules(path), load_rules(path, "secret_keys"))


class Redactor:
    """Applies a rule set.

    A text without a hit costs one search of all patterns at once; only a text with a hit meets the rules one by one.
    """

    def __init__(self, rules: RedactRules) -> None:
        self._rules = [_compile(rule) for rule in rules.rules]
        self._any = re2.compile(_union(rules.rules), _options(never_capture=True))
        self._any_in_json = re2.compile(
            b"|".join((_union(rules.rules), rb'"(?:%b)":' % _union(rules.secret_keys), re2.escape(_ESCAPE))),
            _options(never_capture=True),
        )
        self._which = _set_of(rules.rules)
        self._secret_key = re2.compile(_union(rules.secret_keys), _options(never_capture=True))
        self._key_is_secret: BoundedCache[str, bool] = BoundedCache(_MAX_KEYS)

    def redact(self, text: str) -> str:
        """Return the text with every secret replaced by a placeholder such as `<card>`."""
        return self._text(text, {})

    def redact_value(self, value: Any) -> Any:
        """Return JSON data with its texts redacted, its keys too, and the values of secret keys taken out."""
        return self._value(value, {})

    def explain(self, value: Any) -> Redaction:
        """Return a text or JSON data redacted, and which rules changed it how often; never what they found."""
        hits: dict[str, int] = {}
        redacted = self._value(value, hits)
        return Redaction(redacted, tuple(Hit(rule, times) for rule, times in hits.items()))

    def suspects(self, texts: Sequence[bytes]) -> list[int]:
        """Return the indices of the UTF-8 texts that `redact` may change, found in one search over all of them.

        The texts are joined by a newline, which is no part of a word: what matches in a text alone also
        matches here. The search goes on at the next text after a hit, so that no hit hides another text's.
        """
        return self._suspects(texts, self._any)

    @staticmethod
    def _suspects(texts: Sequence[bytes], pattern: Any) -> list[int]:
        joined = b"\n".join(texts)
        match = pattern.search(joined)
        if match is None:
            return []
        ends = list(accumulate(len(text) + 1 for text in texts))
        found = []
        while match is not None:
            index = bisect_right(ends, match.start())
            found.append(index)
            match = pattern.search(joined, ends[index])
        return found

    def suspect_values(self, values: Sequence[Any]) -> list[int]:
        """Return the indices of the JSON data that `redact_value` may change, as `suspects` does for texts.

        They are searched as JSON. Where that has an escape, or cannot be written, the data count as suspect: an
        escape would be part of a word that it is not part of.
        """
        return self._suspects([_plain_json(value) for value in values], self._any_in_json)

    def _value(self, value: Any, hits: dict[str, int]) -> Any:
        if isinstance(value, str):
            return self._text(value, hits)
        if isinstance(value, dict):
            return {self._text(key, hits): self._field(key, item, hits) for key, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, hits) for item in value]
        if isinstance(value, int | float) and abs(value) >= _SMALL_NUMBER:
            return self._number(value, hits)
        return value

    def _field(self, key: str, value: Any, hits: dict[str, int]) -> Any:
        secret = self._key_is_secret.get(key)
        if secret is None:
            secret = self._key_is_secret.keep(key, self._secret_key.fullmatch(key.encode()) is not None)
        if not secret or value is None:
            return self._value(value, hits)
        if value != SECRET:
            _count(hits, SECRET_KEY)
        return SECRET

    def _number(self, value: float, hits: dict[str, int]) -> Any:
        text = str(value)
        redacted = self._text(text, hits)
        return value if redacted == text else redacted

    def _text(self, text: str, hits: dict[str, int]) -> str:
        data = text.encode()
        if self._any.search(data) is None:
            return text
        for _ in range(_MAX_PASSES):
            before = data
            for index in sorted(self._which.Match(data) or ()):
                data = _apply(self._rules[index], data, hits)
            if data == before:
                break
        return data.decode()


def _plain_json(value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return _ESCAPE


def _count(hits: dict[str, int], rule: str) -> None:
    hits[rule] = hits.get(rule, 0) + 1


def _apply(rule: _CompiledRule, data: bytes, hits: dict[str, int]) -> bytes:
    pieces: list[bytes] = []
    end = 0
    for match in rule.pattern.finditer(data):
        found = match.group()
        if rule.is_real is not None and not rule.is_real(found):
            continue
        replacement = match.expand(rule.replacement)
        if replacement == found:
            continue
        pieces += (data[end : match.start()], replacement)
        end = match.end()
        _count(hits, rule.name)
    return b"".join((*pieces, data[end:])) if pieces else data


def _compile(rule: Rule) -> _CompiledRule:
    if rule.replace is None:
        raise RuleError(f"redact rule {rule.name!r} lacks replace")
    if rule.check is not None and rule.check not in _CHECKS:
        raise RuleError(f"redact rule {rule.name!r}: no check {rule.check!r}; there are {', '.join(_CHECKS)}")
    is_real = _CHECKS[rule.check] if rule.check else None
    return _CompiledRule(rule.name, re2.compile(rule.pattern.encode()), rule.replace.encode(), is_real)


def _options(*, never_capture: bool) -> Any:
    options = re2.Options()
    options.never_capture = never_capture
    return options


def _union(rules: Sequence[Rule]) -> bytes:
    return "|".join(f"(?:{rule.pattern})" for rule in rules).encode()


def _set_of(rules: Sequence[Rule]) -> Any:
    which = re2.Set.SearchSet()
    for rule in rules:
        which.Add(rule.pattern.encode())
    which.Compile()
    return which


def _passes_luhn(found: bytes) -> bool:
    """Tell whether the digits end in their check digit (ISO/IEC 7812-1, annex B)."""
    digits = [byte - 48 for byte in reversed(found) if 48 <= byte <= 57]  # noqa: PLR2004 # ASCII 0 to 9
    return (sum(digits[::2]) + sum(_LUHN_DOUBLED[digit] for digit in digits[1::2])) % 10 == 0


def _passes_iban(found: bytes) -> bool:
    """Tell whether the check digits fit: ISO 7064 MOD 97-10 over the rearranged text."""
    text = found.replace(b" ", b"").decode()
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % _IBAN_MODULUS == 1


_CHECKS: dict[str, Callable[[bytes], bool]] = {"luhn": _passes_luhn, "iban": _passes_iban}
